"""channels.getAdminLog: what administrators did lately."""
from __future__ import annotations

from telethon.tl import types
from telethon.tl.functions.channels import GetAdminLogRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.peer import readable
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.window import PAGE_LIMIT


@serves(GetAdminLogRequest)
def get_admin_log(call: Call, request: GetAdminLogRequest) -> types.channels.AdminLogResults:
    """Events below max_id and above min_id, the newest first; 403 CHAT_ADMIN_REQUIRED for everybody else."""
    marked_id = readable(call, request.channel, "CHANNEL_INVALID")
    annexes = call.world.annexes.get(marked_id)
    if annexes is None or call.account.index not in annexes.admins:
        raise RpcError(403, "CHAT_ADMIN_REQUIRED")
    fitting = [one for one in annexes.events if one.id > request.min_id and (not request.max_id or one.id < request.max_id)]
    shown = fitting[::-1][: min(request.limit, PAGE_LIMIT)]
    view = View.of(call.world, call.account)
    users = [view.user(user) for user in sorted({one.user_id for one in shown})]
    return types.channels.AdminLogResults(shown, [view.chat(marked_id)], users)
