"""The account's dialog list, walked once."""
from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from telethon import utils
from telethon.tl import functions, types

from stages.fetch.caller import Caller

#: What one getDialogs answer holds at most.
LIMIT = 100


@dataclass(slots=True)
class Listed:
    """One dialog with what came along: `entity` is the user or chat, `message` the newest one or None."""

    marked_id: int
    dialog: types.Dialog
    entity: Any
    message: Any


async def iter_dialogs(caller: Caller) -> AsyncIterator[Listed]:
    """Every dialog of the main list and of the archive, each once."""
    seen: set[int] = set()
    for folder in (0, 1):
        async for listed in _iter_folder(caller, folder):
            if listed.marked_id not in seen:
                seen.add(listed.marked_id)
                yield listed


async def _iter_folder(caller: Caller, folder: int) -> AsyncIterator[Listed]:
    date, last_id, peer = None, 0, types.InputPeerEmpty()
    while True:
        answer = await caller.call(
            functions.messages.GetDialogsRequest(
                offset_date=date,
                offset_id=last_id,
                offset_peer=peer,
                limit=LIMIT,
                hash=0,
                exclude_pinned=last_id != 0 or None,
                folder_id=folder,
            )
        )
        entities = {utils.get_peer_id(e): e for e in [*answer.users, *answer.chats]}
        messages = {(utils.get_peer_id(m.peer_id), m.id): m for m in answer.messages if m.peer_id is not None}
        dialogs = [d for d in answer.dialogs if isinstance(d, types.Dialog)]
        for dialog in dialogs:
            marked = utils.get_peer_id(dialog.peer)
            if marked in entities:
                yield Listed(marked, dialog, entities[marked], messages.get((marked, dialog.top_message)))
        if isinstance(answer, types.messages.Dialogs) or not dialogs:
            return
        anchor = _last_with_message(dialogs, messages)
        if anchor is None or anchor.id == last_id:
            return
        date, last_id = anchor.date, anchor.id
        peer = utils.get_input_peer(entities[utils.get_peer_id(anchor.peer_id)], allow_self=False)


def _last_with_message(dialogs: list[Any], messages: dict[tuple[int, int], Any]) -> Any:
    """The newest message of the last dialog that has one: where the next page goes on."""
    for dialog in reversed(dialogs):
        message = messages.get((utils.get_peer_id(dialog.peer), dialog.top_message))
        if message is not None and message.date is not None:
            return message
    return None
