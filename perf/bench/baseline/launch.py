"""Start a program that uses Telethon against another server than Telegram, without changing the program.

    python -P launch.py HOST PORT DC_ID KEY_FILE MODULE:FUNCTION [ARGUMENT ...]

It runs in the program's own virtual environment, so it imports nothing but Telethon.
"""
from __future__ import annotations

import importlib
import sys
from pathlib import Path

from telethon.client import telegrambaseclient
from telethon.crypto import rsa


def main() -> None:
    host, port, dc_id, key_file, entry = sys.argv[1:6]
    telegrambaseclient.DEFAULT_DC_ID = int(dc_id)
    telegrambaseclient.DEFAULT_IPV4_IP = host
    telegrambaseclient.DEFAULT_PORT = int(port)
    rsa.add_key(Path(key_file).read_text(), old=False)
    module, _, function = entry.partition(":")
    sys.argv = [module, *sys.argv[6:]]
    sys.exit(getattr(importlib.import_module(module), function)())


if __name__ == "__main__":
    main()
