"""A dialog list that does not end, as no honest server has it."""
from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from telethon.tl import types

#: What is said of the number of dialogs.
COUNT = 250
#: Dialogs of a page, and the id of the first one's newest message; those of the next are lower.
PAGE = 100
TOP = 2_000_000_000
#: The first one's user id and date.
_USER = 7_000_000_000
_DATE = 1_700_000_000


class Dialogs(StrEnum):
    """How the pages go on."""

    #: as they should
    END = ""
    #: two pages in turn
    SAME = "same"
    #: always other dialogs
    ENDLESS = "endless"


def endless_page(how: Dialogs, offset_id: int) -> types.messages.DialogsSlice:
    """The page behind the dialog with this newest message."""
    start = TOP - offset_id + 1 if offset_id else 0
    if how is Dialogs.SAME:
        start = start % (2 * PAGE) // PAGE * PAGE
    numbers = range(start, start + PAGE)
    return types.messages.DialogsSlice(
        COUNT,
        [_dialog(number) for number in numbers],
        [_message(number) for number in numbers],
        [],
        [types.User(_USER + number, access_hash=number, first_name=f"Nobody {number}") for number in numbers],
    )


def _dialog(number: int) -> types.Dialog:
    return types.Dialog(
        peer=types.PeerUser(_USER + number), top_message=TOP - number, read_inbox_max_id=0, read_outbox_max_id=0,
        unread_count=0, unread_mentions_count=0, unread_reactions_count=0, unread_poll_votes_count=0,
        notify_settings=types.PeerNotifySettings(),
    )


def _message(number: int) -> Any:
    date = datetime.fromtimestamp(_DATE - number, UTC)
    return types.Message(TOP - number, types.PeerUser(_USER + number), date=date, message="nothing")
