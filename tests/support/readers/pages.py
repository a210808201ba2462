"""Programs of others that read Telegram Desktop's pages, for a Python that has them: `python pages.py NAME FOLDER...`.

Prints what the program finds in each folder as one line of JSON.
"""
from __future__ import annotations

import contextlib
import io
import json
import mimetypes
import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_connect = sqlite3.connect


def langchain(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(sender, time, text) of each message."""
    from langchain_community.chat_loaders.telegram import TelegramChatLoader

    def number(path: Path) -> int:
        return int(re.sub(r"\D", "", path.stem) or 1)

    # Its types say less than what it does; without it they say nothing.
    loader: Any = TelegramChatLoader
    for path in sorted(folder.glob("messages*.html"), key=number):
        for one in loader._load_single_chat_session_html(str(path))["messages"]:
            told = one.additional_kwargs
            yield told["sender"], told["events"][0]["message_time"], one.content


def tgnize(folder: Path) -> Iterator[int]:
    """The id of each message and service message."""
    import tgnize.util
    from tgnize.model.chat import Chat

    # It makes a chat without the two lists that its constructor wants.
    vars(tgnize.util)["Chat"] = lambda: Chat([], [])
    with contextlib.redirect_stdout(io.StringIO()):
        chat = tgnize.util.parseChat(f"{folder}/")
    yield from sorted(one.index for one in chat)


def explorer(folder: Path) -> Iterator[int]:
    """How many messages it has put into its database."""
    # It needs two names of Python 3.13.
    if not hasattr(mimetypes, "guess_file_type"):
        vars(mimetypes)["guess_file_type"] = mimetypes.guess_type

    def connect(path: str, **options: Any) -> sqlite3.Connection:
        options.pop("autocommit", None)
        database = _connect(path, isolation_level=None)
        database.execute("pragma synchronous = off")  # else it waits for the disk at each message
        return database

    vars(sqlite3)["connect"] = connect
    from telegram_export_explorer.build_db import build_db

    with TemporaryDirectory() as place:
        database = f"{place}/messages.db"
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            build_db(f"{folder}/", database)
        with contextlib.closing(_connect(database)) as opened:
            yield opened.execute("select count(*) from messages").fetchone()[0]


if __name__ == "__main__":
    for place in sys.argv[2:]:
        print(json.dumps(list(globals()[sys.argv[1]](Path(place)))), flush=True)
