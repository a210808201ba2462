"""What the fetch process needs to know; importing it imports no Telethon."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel
from tgbulk.engine.lease import Lease
from tgbulk.engine.lock import Lock
from tgbulk.engine.metric import Outlet
from tgbulk.stages.archive.annex import AnnexName
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.name import ChatName
from tgbulk.stages.telegram.medium import MediaSelection


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
class MediaConfig:
    """How media are downloaded; built once at the command line."""

    archive: Path
    #: judged by write, which hands out what is wanted
    selection: MediaSelection
    #: to one data centre at a time, at most
    connections: int
    #: seconds for one file, None for as long as it takes
    deadline: float | None = None
    #: parts a second, one at a time, from each data centre; None to find out
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Recheck:
    """What is looked at again where Telegram cannot tell what changed: messages of so many days, None for all of them."""

    days: float | None = 7.0
    #: by somebody: also what changed before anybody asked for changes
    asked: bool = False


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
    #: what is kept of each chat beside its messages
    annexes: tuple[AnnexName, ...] = ()
    #: whether the groups in which channels are discussed are exported with them
    comments: bool = False
    recheck: Recheck = Recheck()
    #: go on with what changes from now on, until somebody stops it
    follow: bool = False
    #: more chats are named while the run goes on
    feed: bool = False


@dataclass(frozen=True, slots=True)
class FetchContext:
    """Given to the process when it starts."""

    config: FetchConfig
    frames: Arena
    blocks: Arena
    #: acks from write
    written: Channel
    #: one for each account, held for as long as the process lives
    session_locks: tuple[Lock, ...]
    #: whether videos are transcoded
    videos: bool = False
    outlet: Outlet | None = None
    #: no request leaves when it is over
    lease: Lease | None = None
