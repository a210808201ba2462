"""No wait in fetch without an end: each one that has no timeout is found in the code, and is listed with what ends it."""
from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from telethon.network import MTProtoSender

from tgbulk.stages import fetch
from tgbulk.stages.fetch.sender import Sender

ROOM = Path(next(iter(fetch.__path__)))
#: Calls that wait for somebody else.
WAITING = ("wait", "get", "acquire", "join", "gather")
#: What has an end by itself, entered by `async with`.
BOUNDED = ("asyncio.timeout", "asyncio.TaskGroup", "AsyncExitStack", "connect", "open_account", "open_caller", "open_reader")

WITH_THE_RUN = "ends with the run, whose other tasks end by themselves; StandstillWatch looks at them"
SHORT = "the holder waits for requests alone, and each has a deadline"
#: (file, function): what ends its waits.
ENDS = {
    ("backlog.py", "enter"): "shares come back with answers and slots: the order is in lane.py",
    ("bucket.py", "enter"): "the holder waits for an answer, the pace or a flood wait: all have an end",
    ("bucket.py", "_rest"): "an answer comes, or its deadline; flood waits are bounded by PARK_SECONDS",
    ("client.py", "connect"): "inside asyncio.timeout(CLOSE_SECONDS)",
    ("export.py", "_attempt"): "requests with deadlines, and replies of write",
    ("export.py", "_open"): "other chats are asked for annexes: each request has a deadline",
    ("export.py", "_stop_plan"): WITH_THE_RUN,
    ("export.py", "_close_buckets"): WITH_THE_RUN,
    ("export.py", "stale"): SHORT,
    ("follower.py", "run"): "the tasks were cancelled",
    ("follower.py", "_step"): "its timeout is what is due next, QUIET_SECONDS at most",
    ("following.py", "_stop"): WITH_THE_RUN,
    ("lane.py", "_ask"): "a job of this lane ends: the order is in lane.py",
    ("login.py", "_by_qr"): "inside asyncio.timeout()",
    ("main.py", "run"): WITH_THE_RUN,
    ("main.py", "_export_chats"): WITH_THE_RUN,
    ("main.py", "_open_readers"): "accounts before it connect, within CONNECT_SECONDS each",
    ("main.py", "open_one"): "accounts before it connect, within CONNECT_SECONDS each",
    ("media/connection.py", "close"): "disconnecting takes ten seconds at most",
    ("media/connection.py", "_choose"): "the holder connects, within CONNECT_SECONDS, after a pause of Backoff",
    ("media/download.py", "_refresh"): SHORT,
    ("media/download.py", "rest"): "a thread that reads a file",
    ("media/downloads.py", "run"): WITH_THE_RUN,
    ("media/downloads.py", "_work"): "more work comes, or the run ends",
    ("media/feed.py", "run"): WITH_THE_RUN,
    ("media/reference.py", "_ask"): "one request answers it, or fails",
    ("media/store.py", "in_thread"): "a thread that writes a file",
    ("media/video.py", "run"): "the transcode process bounds every job",
    ("names.py", "__anext__"): "somebody feeds a name, closes the feed or stops the run",
    ("pipeline.py", "_submit"): "slots come back, and workers and write wait for nobody here: engine/ring.py",
    ("pipeline.py", "drain"): "the same",
    ("plan.py", "room"): "a chat under way ends",
    ("plan.py", "change"): "a job of somebody else ends, or the run",
    ("resolver.py", "_find_id"): "the holder lists dialogs, whose pages are bounded",
    ("takeout.py", "renew"): SHORT,
    ("updates.py", "catch_up"): SHORT,
}


def waits() -> Iterator[tuple[str, str]]:
    """(file, function) of each await of a future, of an event, queue or task, and of each lock."""
    for path in sorted(ROOM.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.AsyncFunctionDef):
                continue
            place = str(path.relative_to(ROOM)), function.name
            for node in ast.walk(function):
                if isinstance(node, ast.Await) and _is_open(node.value):
                    yield place
                if isinstance(node, ast.AsyncWith):
                    for item in node.items:
                        if not ast.unparse(item.context_expr).startswith(BOUNDED):
                            yield place


def _is_open(awaited: ast.expr) -> bool:
    if isinstance(awaited, ast.Name | ast.Attribute):
        return True
    return isinstance(awaited, ast.Call) and isinstance(awaited.func, ast.Attribute) and awaited.func.attr in WAITING


def test_every_wait_is_known_and_has_an_end() -> None:
    found = set(waits())
    assert found - set(ENDS) == set(), "a wait without a timeout: give it one, or say here what ends it"
    assert set(ENDS) - found == set(), "no such wait any more"


def test_every_request_goes_through_the_sender_that_bounds_it() -> None:
    """Nobody else in fetch makes one of Telethon's."""
    for path in ROOM.rglob("*.py"):
        if path.name != "sender.py":
            assert "MTProtoSender" not in path.read_text(), path
    assert Sender.send is not MTProtoSender.send
    assert Sender._reconnect is not MTProtoSender._reconnect
