"""messages.search, messages.getSearchCounters."""
from __future__ import annotations

from typing import Any

from telethon.tl import types
from telethon.tl.functions.messages import GetSearchCountersRequest, SearchRequest
from telethon.utils import get_peer_id

from tgbulk.perf.simdc.call import Call, serves
from tgbulk.perf.simdc.filter import Predicate, filtered, in_thread, select, sender_of, text_has
from tgbulk.perf.simdc.page import page
from tgbulk.perf.simdc.peer import known, readable
from tgbulk.perf.simdc.services.history import nothing
from tgbulk.perf.simdc.window import Cut, Ranked, unix, window
from tgbulk.perf.simdc.world import CHANNEL_MARK


@serves(SearchRequest)
def search(call: Call, request: SearchRequest) -> bytes:
    """One page of what a search finds in a chat; limit=0 brings only the count (docs/spec/history-fetching.md 1)."""
    marked_id = readable(call, request.peer)
    history = call.world.history(call.account, marked_id)
    if history is None:
        return nothing(call, marked_id)
    wanted = _wanted(call, marked_id, request)
    found: Ranked = select(history, *wanted) if wanted else history
    between = call.message_range if marked_id > -CHANNEL_MARK else None
    return page(call, marked_id, history, window(found, Cut.of(request, default_limit=0), between))


@serves(GetSearchCountersRequest)
def get_search_counters(call: Call, request: GetSearchCountersRequest) -> list[types.messages.SearchCounter]:
    """How many messages each filter finds."""
    marked_id = readable(call, request.peer)
    history = call.world.history(call.account, marked_id)
    scope = _scope(call, marked_id, request)
    counters = []
    for kind in request.filters:
        count = 0 if history is None else len(select(history, filtered(kind), *scope))
        counters.append(types.messages.SearchCounter(kind, count))
    return counters


def _wanted(call: Call, marked_id: int, request: SearchRequest) -> list[Predicate]:
    """Everything that the request asks of a message; from_id counts in groups and channels only."""
    wanted = _scope(call, marked_id, request)
    if not isinstance(request.filter, types.InputMessagesFilterEmpty):
        wanted.append(filtered(request.filter))
    if request.q:
        wanted.append(text_has(request.q))
    if request.from_id is not None and marked_id < 0:
        author = known(call, request.from_id)
        wanted.append(lambda message: sender_of(message) == author)
    first, last = unix(request.min_date), unix(request.max_date)
    if first:
        wanted.append(lambda message: unix(message.date) > first)
    if last:
        wanted.append(lambda message: unix(message.date) < last)
    return wanted


def _scope(call: Call, marked_id: int, request: Any) -> list[Predicate]:
    """The thread and the sublist of Saved Messages that a search stays in."""
    scope: list[Predicate] = []
    if request.top_msg_id:
        scope.append(in_thread(request.top_msg_id, forum=marked_id in call.world.topics))
    if request.saved_peer_id is not None:
        sublist = known(call, request.saved_peer_id)
        scope.append(lambda message: message.saved_peer_id and get_peer_id(message.saved_peer_id) == sublist)
    return scope
