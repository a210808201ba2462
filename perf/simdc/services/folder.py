"""messages.getDialogFilters."""
from __future__ import annotations

from telethon.tl import types
from telethon.tl.functions.messages import GetDialogFiltersRequest

from perf.simdc.call import Call, serves


@serves(GetDialogFiltersRequest)
def get_dialog_filters(call: Call, request: GetDialogFiltersRequest) -> types.messages.DialogFilters:
    """Nobody has made folders: there is only the one that holds all chats."""
    return types.messages.DialogFilters([types.DialogFilterDefault()])
