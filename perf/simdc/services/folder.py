"""messages.getDialogFilters, account.getNotifySettings: an account's own folders, and where it wants silence."""
from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from telethon.tl import types
from telethon.tl.functions.account import GetNotifySettingsRequest
from telethon.tl.functions.messages import GetDialogFiltersRequest
from telethon.utils import get_input_peer

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import Folder

#: Ids of folders begin here; 0 and 1 are the main list and the archive.
FIRST = 2
SCOPES = {types.InputNotifyUsers: "users", types.InputNotifyChats: "chats", types.InputNotifyBroadcasts: "broadcasts"}
#: What a client is told to be silent until.
FOR_EVER = datetime.fromtimestamp(2**31 - 1, UTC)


@serves(GetDialogFiltersRequest)
def get_dialog_filters(call: Call, request: GetDialogFiltersRequest) -> types.messages.DialogFilters:
    """The account's folders, below the one that holds all chats."""
    view = View.of(call.world, call.account)
    made = [_filter(view, number, one) for number, one in enumerate(call.account.folders, FIRST)]
    return types.messages.DialogFilters([types.DialogFilterDefault(), *made])


@serves(GetNotifySettingsRequest)
def get_notify_settings(call: Call, request: GetNotifySettingsRequest) -> types.PeerNotifySettings:
    """The account's default for users, chats or broadcasts; 400 PEER_ID_INVALID for anything else."""
    scope = SCOPES.get(type(request.peer))
    if scope is None:
        raise RpcError(400, "PEER_ID_INVALID")
    return types.PeerNotifySettings(mute_until=FOR_EVER if scope in call.account.silent else None)


def _filter(view: View, number: int, folder: Folder) -> Any:
    title = types.TextWithEntities(folder.title, [])
    if folder.chatlist:
        return types.DialogFilterChatlist(number, title, _peers(view, folder.pinned), _peers(view, folder.included))
    flags = dict.fromkeys(folder.flags, True)
    named = _peers(view, folder.pinned), _peers(view, folder.included), _peers(view, folder.excluded)
    return types.DialogFilter(number, title, *named, **flags)


def _peers(view: View, marked_ids: Iterable[int]) -> list[Any]:
    return [get_input_peer(view.peer(one), allow_self=False) for one in marked_ids]
