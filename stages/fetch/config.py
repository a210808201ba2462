"""What the fetch process needs to know; importing it imports no Telethon."""
from __future__ import annotations

from dataclasses import dataclass

from stages.fetch.access import Access
from stages.fetch.media.config import MediaConfig
from stages.fetch.name import ChatName


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages of each chat; everything by default. Bounds are inclusive, times Unix seconds."""

    min_id: int | None = None
    max_id: int | None = None
    since: int | None = None
    until: int | None = None
    #: so many of the newest
    last: int | None = None


@dataclass(frozen=True, slots=True)
class FetchConfig:
    """Built once at the command line."""

    #: the accounts to use; the first one that can read a chat gives it its name and, where ids are the account's, its ids
    accesses: list[Access]
    chats: list[ChatName]
    #: getHistory requests of one account on the way at a time, at most
    in_flight: int
    #: getHistory requests of one account a second, at most; None to find out what Telegram allows
    rate: float | None = None
    #: no, yes, or try: go on without where Telegram delays it
    takeout: str = "no"
    selection: Selection = Selection()
    #: None for no downloads
    media: MediaConfig | None = None
