"""Users and chats: what peers.jsonl holds, and what messages name."""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import orjson

from stages.telegram.chat import CHANNEL_MARK
from stages.telegram.peer import marked_id
from stages.verify.finding import Report, Weight
from stages.verify.piece import Piece, pieces
from stages.write.chat import Progress

_USERS = (
    b"user_id", b"via_bot_id", b"via_business_bot_id", b"bot_id", b"inviter_id", b"new_creator_id", b"users", b"winners",
    b"recent_viewers",
)
_CHANNELS = (b"channel_id", b"channels")
_CHATS = (b"chat_id", b"chats")
#: Within a string of JSON quotes are escaped, so only a field's name can match.
_NAMED = re.compile(rb'"(' + b"|".join(_USERS + _CHANNELS + _CHATS) + rb')":\[?([\d,]+)')


def named(line: bytes) -> Iterator[int]:
    """Marked ids of every user and chat that a line of messages.jsonl names, doubles included."""
    for field, numbers in _NAMED.findall(line):
        for digits in numbers.split(b","):
            number = int(digits or b"0")
            if number:
                yield number if field in _USERS else -number if field in _CHATS else -(CHANNEL_MARK + number)


def check_peers(path: Path, progress: Progress, report: Report, behind: Weight) -> set[int]:
    """Marked ids of the peers in the file; `behind` is what it means to find more than what is committed."""
    found: set[int] = set()
    wanted = [Piece(progress.peer_bytes, progress.peer_crc, "its lines")]
    for number, line, _ in pieces(path, wanted, report, behind):
        try:
            found.add(marked_id(orjson.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError):
            report.add(Weight.DAMAGE, report.where(path), f"line {number} is no user or chat")
    return found
