"""Answers of getHistory, few words long, made with Telethon's own classes."""
from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from telethon.tl import types

DAY = datetime(2024, 5, 6, tzinfo=UTC)


def message(number: int, text: str = "") -> types.Message:
    return types.Message(id=number, peer_id=types.PeerChannel(9), date=DAY, message=text or f"text {number}")


def service(number: int) -> types.MessageService:
    action = types.MessageActionPinMessage()
    return types.MessageService(id=number, peer_id=types.PeerChannel(9), date=DAY, action=action)


def empty(number: int) -> types.MessageEmpty:
    return types.MessageEmpty(number, None)


def user(number: int, name: str = "Ann", **fields: Any) -> types.User:
    return types.User(id=number, first_name=name, **fields)


def channel(number: int, title: str = "News", **fields: Any) -> types.Channel:
    return types.Channel(id=number, title=title, photo=types.ChatPhotoEmpty(), date=DAY, **fields)


def page(messages: Sequence[Any], users: Sequence[Any] = (), chats: Sequence[Any] = (), count: int = 1000) -> bytes:
    """Newest first, as Telegram answers."""
    newest_first = sorted(messages, key=lambda one: -one.id)
    answer = types.messages.ChannelMessages(
        pts=1, count=count, messages=newest_first, topics=[], chats=list(chats), users=list(users)
    )
    return bytes(answer)
