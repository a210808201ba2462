"""What process tells fetch of a page, through the slot: enough to go on with the walk, nothing of its content."""
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from engine.frame import frame


class Kind(IntEnum):
    """What a payload of the data way is."""

    #: the raw TL bytes of one getHistory answer
    HISTORY = 1
    #: a chat's record (stages/telegram/chat.py) at the start of its export; write answers with what is covered
    OPEN = 2
    #: the record at its end
    CLOSE = 3
    #: the raw TL bytes of a getHistory answer of which only the receipt is wanted
    PROBE = 4
    #: what became of media, and a question for more (stages/write/media.py); the answer takes the receipt's place
    MEDIA = 5
    #: getHistory answers that could not be decoded, and what is known of them (stages/write/quarantine.py)
    QUARANTINE = 6
    #: what became of films, and a question for more (stages/write/film.py); the answer takes the receipt's place
    FILM = 7


class Answer(IntEnum):
    """What write answers to OPEN, beside the receipt's `covered`."""

    OPENED = 0

    #: the archive has this chat with the message ids of another account
    OTHER_ACCOUNT = -1
    #: the chat's files are shorter than what was committed
    DAMAGED = -2
    #: chat.json knows of more messages than the journal, which has lost records
    LOST = -3


@frame
@dataclass(slots=True)
class Receipt:
    """One page, counted."""

    #: constructor of the answer, as `messages.channelMessages`
    form: str = ""
    #: the server's count of the whole chat, -1 where the answer has none
    total: int = -1
    #: lowest and highest id of the page, messageEmpty included; 0 for an empty page
    low: int = 0
    high: int = 0
    #: the lowest id that the range has still to ask for after this page
    next: int = 0
    #: lines in the block
    messages: int = 0
    #: of these, service messages
    services: int = 0
    #: ids answered with messageEmpty: deleted or unavailable
    empty: list[int] | None = None
    #: messages left out because they came twice, or are another range's
    repeated: int = 0
    #: why the fast decoder did not do it, "" where it did
    slow: str = ""
    #: why the page could not be decoded at all, "" where it was
    error: str = ""
    #: cards (stages/telegram/peer.py) of the peers that came along, new or changed since this worker last told of them
    peers: list[list[Any]] | None = None
    #: media in the block, where they are wanted
    media: int = 0
    #: write's answer to OPEN: [lo, next] of each range that the archive holds
    covered: list[list[int]] | None = None


@frame
@dataclass(slots=True)
class Batch:
    """Write's answer to MEDIA (rows of stages/medium.Item) and FILM ([number, path below media/, category, size,
    hexadecimal SHA-256]). `more`: ask again, even if there are no rows."""

    rows: list[list[Any]]
    #: number up to which has been looked
    cursor: int
    more: bool = False
