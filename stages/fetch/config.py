"""What the fetch process needs to know; importing it imports no Telethon."""
from __future__ import annotations

from dataclasses import dataclass

from stages.fetch.access import Access
from stages.fetch.name import ChatName


@dataclass(frozen=True, slots=True)
class FetchConfig:
    """Built once at the command line."""

    access: Access
    chats: list[ChatName]
    #: chats walked at a time, each with one request in flight
    in_flight: int
