"""The account's dialog list, walked once."""
from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from telethon import utils
from telethon.tl import functions, types

from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.error import DialogListError

#: What one getDialogs answer holds at most.
LIMIT = 100
#: Pages that are asked for at most; and beyond twice those that the server's number of dialogs makes, for it may change.
MOST_PAGES = 2000
SPARE_PAGES = 10


@dataclass(slots=True)
class Listed:
    """One dialog with what came along: `entity` is the user or chat, `message` the newest one or None."""

    marked_id: int
    dialog: types.Dialog
    entity: Any
    message: Any


async def iter_dialogs(caller: Caller) -> AsyncIterator[Listed]:
    """Every dialog, archived ones too, each once: without a folder the server lists them all.

    At the end DialogListError, where the server's pages repeat before there are as many as it says, or go on beyond all that
    this number allows.
    """
    seen: set[int] = set()
    anchor = _Anchor()
    for number in range(1, MOST_PAGES + 1):
        answer = await caller.call(
            functions.messages.GetDialogsRequest(
                offset_date=anchor.date,
                offset_id=anchor.message_id,
                offset_peer=anchor.peer,
                limit=LIMIT,
                hash=0,
                exclude_pinned=anchor.message_id != 0 or None,
            )
        )
        page = _listed(answer)
        fresh = [listed for listed in page if listed.marked_id not in seen]
        for listed in fresh:
            seen.add(listed.marked_id)
            yield listed
        following = _last(page)
        if isinstance(answer, types.messages.Dialogs) or following is None or following == anchor:
            return
        if not fresh:
            if len(seen) < answer.count:
                raise DialogListError(len(seen), answer.count)
            return
        if number > SPARE_PAGES + 2 * answer.count / LIMIT:
            raise DialogListError(len(seen), answer.count)
        anchor = following
    raise DialogListError(len(seen), answer.count)


@dataclass(slots=True)
class _Anchor:
    """Where the next page begins: after the dialog with this newest message."""

    date: datetime | None = None
    message_id: int = 0
    peer: Any = field(default_factory=types.InputPeerEmpty)


def _listed(answer: Any) -> list[Listed]:
    entities = {utils.get_peer_id(entity): entity for entity in [*answer.users, *answer.chats]}
    messages = {(utils.get_peer_id(m.peer_id), m.id): m for m in answer.messages if m.peer_id is not None}
    page: list[Listed] = []
    for dialog in answer.dialogs:
        if isinstance(dialog, types.Dialog):
            marked = utils.get_peer_id(dialog.peer)
            if marked in entities:
                page.append(Listed(marked, dialog, entities[marked], messages.get((marked, dialog.top_message))))
    return page


def _last(page: list[Listed]) -> _Anchor | None:
    """The anchor after this page: its last dialog that has a message and is not pinned, for pinned ones are out of order."""
    for listed in reversed(page):
        date = getattr(listed.message, "date", None)
        if date is not None and not listed.dialog.pinned:
            return _Anchor(date, listed.message.id, utils.get_input_peer(listed.entity, allow_self=False))
    return None
