"""Programs of others that read result.json, for a Python that has them: `python result_json.py NAME PATH`.

Prints a JSON array for each message that the program gives: sender, local time, text.
"""
from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

Line = tuple[str | None, str, str]


def chatminer(path: str) -> Iterator[Line]:
    from chatminer.chatparsers import TelegramJsonParser

    logging.disable()
    parser = TelegramJsonParser(path)
    parser.parse_file()
    for one in parser.parsed_messages.get_df(as_pandas=True).itertuples():
        yield one.author, str(one.timestamp).replace(" ", "T"), one.message


def tg_parser(path: str) -> Iterator[Line]:
    from tg_parser.infrastructure.readers.telegram_json import TelegramJSONReader

    for one in TelegramJSONReader().read(Path(path)).messages:
        if not one.is_service:
            yield one.author_name, one.timestamp.strftime("%Y-%m-%dT%H:%M:%S"), one.text


def chatpack(path: str) -> Iterator[Line]:
    from chatpack import TelegramParser

    for one in TelegramParser().parse(path):
        yield one.sender, str(one.timestamp)[:19].replace(" ", "T"), one.content


def langchain(path: str) -> Iterator[Line]:
    from langchain_community.chat_loaders.telegram import TelegramChatLoader

    for session in TelegramChatLoader(path).lazy_load():
        for one in session["messages"]:
            parts = one.content if isinstance(one.content, list) else [one.content]
            text = "".join(part if isinstance(part, str) else part["text"] for part in parts)
            told = one.additional_kwargs
            yield told["sender"], told["events"][0]["message_time"], text


if __name__ == "__main__":
    for line in globals()[sys.argv[1]](sys.argv[2]):
        print(json.dumps(line))
