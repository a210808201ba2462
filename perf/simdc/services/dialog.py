"""messages.getDialogs, getPinnedDialogs, getPeerDialogs: the dialog list of an account."""
from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import pack

from telethon.tl import types
from telethon.tl.functions.messages import GetDialogsRequest, GetPeerDialogsRequest, GetPinnedDialogsRequest
from telethon.utils import get_peer

from tgbulk.perf.simdc.box import Boxes
from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.history import History
from tgbulk.perf.simdc.page import channel_pts, own, peers, vector
from tgbulk.perf.simdc.peer import known
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.window import PAGE_LIMIT, unix
from tgbulk.perf.simdc.world import CHANNEL_MARK, Dialog

ARCHIVE = 1
#: More peers than these are cut off silently (docs/spec/updates.md 10).
MOST_PEERS = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """A dialog with its newest message; top_id and date are 0 for an empty or closed chat."""

    dialog: Dialog
    history: History | None
    top_id: int
    date: int


@serves(GetDialogsRequest)
def get_dialogs(call: Call, request: GetDialogsRequest) -> bytes:
    """messages.dialogs for the whole list, else messages.dialogsSlice.

    Without folder_id every dialog, and a dialogFolder for the archive; 0 and 1 take one folder. Pinned ones come
    first unless exclude_pinned. 400 FOLDER_ID_INVALID.
    """
    if request.folder_id not in (None, 0, ARCHIVE):
        raise RpcError(400, "FOLDER_ID_INVALID")
    entries = ranked(call, request.folder_id, pinned=not request.exclude_pinned)
    start = _start(call, entries, request)
    shown = entries[start : start + min(max(request.limit, 1), PAGE_LIMIT)]
    if len(shown) == len(entries):
        head = pack("<I", types.messages.Dialogs.CONSTRUCTOR_ID)
    else:
        head = pack("<Ii", types.messages.DialogsSlice.CONSTRUCTOR_ID, len(entries))
    return head + body(call, shown, folders=request.folder_id is None)


@serves(GetPinnedDialogsRequest)
def get_pinned_dialogs(call: Call, request: GetPinnedDialogsRequest) -> bytes:
    """messages.peerDialogs with the pinned dialogs of one folder."""
    entries = [entry for entry in ranked(call, request.folder_id) if entry.dialog.pinned]
    return _peer_dialogs(call, entries)


@serves(GetPeerDialogsRequest)
def get_peer_dialogs(call: Call, request: GetPeerDialogsRequest) -> bytes:
    """messages.peerDialogs of the named peers, the first 100, in their order; a peer without a dialog gets a plain one."""
    listed = {dialog.marked_id: dialog for dialog in call.account.dialogs}
    entries = []
    for item in request.peers[:MOST_PEERS]:
        if isinstance(item, types.InputDialogPeerFolder):
            entries += ranked(call, item.folder_id)
        else:
            marked_id = known(call, item.peer)
            entries.append(entry_of(call, listed.get(marked_id, Dialog(marked_id))))
    return _peer_dialogs(call, entries)


def ranked(call: Call, folder_id: int | None, *, pinned: bool = True) -> list[Entry]:
    """The account's dialogs as the list shows them: pinned ones in the account's order, then newest first."""
    entries = [entry_of(call, d) for d in call.account.dialogs if folder_id is None or d.folder_id == folder_id]
    first = [entry for entry in entries if entry.dialog.pinned] if pinned else []
    rest = [entry for entry in entries if not entry.dialog.pinned]
    return first + sorted(rest, key=lambda entry: (entry.date, entry.top_id), reverse=True)


def entry_of(call: Call, dialog: Dialog) -> Entry:
    """The dialog with its newest message."""
    history = call.world.history(call.account, dialog.marked_id)
    if history is None or dialog.marked_id in call.account.private or not len(history):
        return Entry(dialog, None, 0, 0)
    top_id = history.top_id()
    return Entry(dialog, history, top_id, unix(getattr(history.object(top_id), "date", None)))


def _start(call: Call, entries: Sequence[Entry], request: GetDialogsRequest) -> int:
    """Where the page begins: behind offset_peer while its top message is still offset_id, else by date and id."""
    offset = (unix(request.offset_date), request.offset_id)
    if not isinstance(request.offset_peer, types.InputPeerEmpty):
        marked_id = known(call, request.offset_peer, "OFFSET_PEER_ID_INVALID")
        for place, entry in enumerate(entries):
            if entry.dialog.marked_id == marked_id and entry.top_id in (0, request.offset_id):
                return place + 1
    if offset == (0, 0):
        return 0
    return next(
        (i for i, e in enumerate(entries) if not e.dialog.pinned and (e.date, e.top_id) < offset), len(entries)
    )


def _archive(entries: Sequence[Entry]) -> bytes:
    """The dialogFolder that stands for the archive with these dialogs."""
    unread = [unread_count(entry) for entry in entries]
    folder = types.DialogFolder(
        folder=types.Folder(ARCHIVE, "Archived Chats"),
        peer=get_peer(entries[0].dialog.marked_id),
        top_message=entries[0].top_id,
        unread_muted_peers_count=0,
        unread_unmuted_peers_count=sum(1 for count in unread if count),
        unread_muted_messages_count=0,
        unread_unmuted_messages_count=sum(unread),
    )
    return bytes(folder)


def unread_count(entry: Entry) -> int:
    """A few unread messages, fewer than ten."""
    return 0 if entry.history is None else min(len(entry.history), abs(entry.dialog.marked_id) % 4)


def described(call: Call, entry: Entry) -> bytes:
    """The dialog as the list has it."""
    marked_id, history, unread = entry.dialog.marked_id, entry.history, unread_count(entry)
    size = 0 if history is None else len(history)
    read = [] if history is None or size == unread else history.ids(size - unread - 1, size - unread)
    dialog = types.Dialog(
        peer=get_peer(marked_id),
        top_message=entry.top_id,
        read_inbox_max_id=read[0] if read else 0,
        read_outbox_max_id=entry.top_id,
        unread_count=unread,
        unread_mentions_count=0,
        unread_reactions_count=0,
        unread_poll_votes_count=0,
        notify_settings=types.PeerNotifySettings(
            mute_until=datetime.fromtimestamp(2**31 - 1, UTC) if marked_id % 3 == 0 else None
        ),
        pinned=entry.dialog.pinned or None,
        pts=channel_pts(call, marked_id) if marked_id < -CHANNEL_MARK else None,
        folder_id=entry.dialog.folder_id or None,
    )
    return bytes(dialog)


def body(call: Call, entries: Sequence[Entry], *, folders: bool = False) -> bytes:
    """The vectors dialogs, messages, chats and users.

    With `folders` the archive's dialogFolder follows its first dialog: Telethon 1.45 would fail on that entry, but
    passes over it where it has just seen the peer.
    """
    archive = ranked(call, ARCHIVE) if folders else []
    named = {entry.dialog.marked_id for entry in entries}
    dialogs, messages = [], []
    for entry in entries:
        dialogs.append(described(call, entry))
        if archive and entry.dialog is archive[0].dialog:
            dialogs.append(_archive(archive))
        if entry.history is not None:
            messages.append(entry.history.message(entry.top_id))
            named |= entry.history.peers([entry.top_id])
    return vector(dialogs) + own(call, vector(messages)) + peers(View.of(call.world, call.account), named)


def _peer_dialogs(call: Call, entries: Sequence[Entry]) -> bytes:
    pts = Boxes.of(call.world).common(call.account).pts
    now = datetime.fromtimestamp(int(time.time()), UTC)
    state = types.updates.State(pts, qts=0, date=now, seq=call.login.seq, unread_count=0)
    return pack("<I", types.messages.PeerDialogs.CONSTRUCTOR_ID) + body(call, entries) + bytes(state)
