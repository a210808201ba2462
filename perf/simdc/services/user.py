"""users.getUsers, users.getFullUser."""
from __future__ import annotations

from typing import Any

from telethon.tl import types
from telethon.tl.functions.users import GetFullUserRequest, GetUsersRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.page import vector
from tgbulk.perf.simdc.peer import known
from tgbulk.perf.simdc.view import View


@serves(GetUsersRequest)
def get_users(call: Call, request: GetUsersRequest) -> bytes:
    """Vector<User>; userEmpty for an id with a wrong access hash, nothing for inputUserEmpty."""
    wanted = [peer for peer in request.id if not isinstance(peer, types.InputUserEmpty)]
    return vector([_user(call, peer) for peer in wanted])


def _user(call: Call, peer: Any) -> bytes:
    try:
        return View.of(call.world, call.account).full(known(call, peer, "USER_ID_INVALID"))
    except RpcError:
        return bytes(types.UserEmpty(peer.user_id))


@serves(GetFullUserRequest)
def get_full_user(call: Call, request: GetFullUserRequest) -> types.users.UserFull:
    """The user with what only the profile page shows; 400 USER_ID_INVALID."""
    user_id = known(call, request.id, "USER_ID_INVALID")
    world, account = call.world, call.account
    dialog = next((d for d in account.dialogs if d.marked_id == user_id), None)
    full = types.UserFull(
        id=user_id,
        settings=types.PeerSettings(),
        notify_settings=types.PeerNotifySettings(),
        common_chats_count=0,
        about=f"About {user_id}",
        folder_id=dialog.folder_id or None if dialog else None,
    )
    return types.users.UserFull(full, chats=[], users=[View.of(world, account).user(user_id)])
