"""A real file system with very little room, for one command."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run_on_small_disk(folder: Path, size: str, code: str) -> str:
    """What the Python code prints while `folder` is a tmpfs of that size; skips where no such disk can be made."""
    mount = f"mount -t tmpfs -o size={size} none {folder}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("no small file system: unshare or mount is not allowed here")
    command = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout
