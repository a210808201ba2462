"""Exports Telegram chats in bulk, and reads what was exported.

    import tgbulk

    for chat in tgbulk.open("archive").chats:
        for message in chat.messages(since="2024-01-01"):
            print(chat.title, message.date, message.sender_name, message.text)

Reading needs neither Telethon nor the network (docs/python.md). What is imported with the package is nothing but this file.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import os

    from tgbulk.api import Archive, Archives, Chat, Media, Message, Peer
    from tgbulk.engine.error import StorageError, TgbulkError, UsageError

#: Name -> the module that has it.
_HOMES = {
    "Archive": "tgbulk.api", "Archives": "tgbulk.api",
    "Chat": "tgbulk.api", "Media": "tgbulk.api", "Message": "tgbulk.api", "Peer": "tgbulk.api",
    "StorageError": "tgbulk.engine.error", "TgbulkError": "tgbulk.engine.error", "UsageError": "tgbulk.engine.error",
}
__all__ = ["Archive", "Archives", "Chat", "Media", "Message", "Peer", "StorageError", "TgbulkError", "UsageError", "open"]


@overload
def open(path: str | os.PathLike[str], /) -> Archive: ...


@overload
def open(path: str | os.PathLike[str], /, *more: str | os.PathLike[str]) -> Archives: ...


def open(path: str | os.PathLike[str], *more: str | os.PathLike[str]) -> Archive | Archives:
    """The archive in a folder, to read; of several folders, their archives as one. StorageError for what is no archive, or
    one of a newer format."""
    from tgbulk.api import Archive, Archives

    return Archives([path, *more]) if more else Archive(path)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tgbulk' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
