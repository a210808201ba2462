"""No wait without an end: each one that has no timeout is found in the code, and is listed with what ends it."""
from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from telethon.network import MTProtoSender

from tgbulk.stages.fetch.sender import Sender

TREE = Path(__file__).parents[1]
FETCH = TREE / "stages" / "fetch"
#: All that runs at a user's.
ROOMS = ("engine", "stages", "scripts/tgbulk/cli", "scripts/tgbulk/api.py")

#: Methods that wait for somebody else where they are given nothing to end it.
WAITING = ("wait", "get", "acquire", "join", "gather", "communicate", "select", "poll", "result")
#: Those that wait whatever they are given, but for a timeout by name.
RECEIVING = (
    "recv", "recvmsg", "recv_fds", "recv_into", "receive", "accept", "sendall", "send_fds", "urlopen",
    "create_connection", "getaddrinfo", "getpass",
)
#: Calls that wait unless one of these words is among what they are given.
UNLESS = {
    "subprocess.run": ("timeout",), "subprocess.call": ("timeout",), "subprocess.check_call": ("timeout",),
    "subprocess.check_output": ("timeout",), "os.waitpid": ("WNOHANG",), "os.wait": (), "os.waitid": ("WNOHANG",),
    "fcntl.flock": ("LOCK_NB",), "fcntl.lockf": ("LOCK_NB",), "input": (), "wait": ("SECONDS",), "os.system": (),
    "threading.Lock": (), "threading.RLock": (), "threading.Condition": (), "threading.Semaphore": (),
    # Who opens a pipe, which somebody may have put in the place of a file, waits for its other end.
    "open": ("'w", "'a", "closefd", "opener", "'/proc/", "descriptor"),
    "os.open": ("O_EXCL", "O_NONBLOCK", "O_DIRECTORY", "_OPEN", "_FOLDER", "devnull"),
}
#: What has an end by itself, entered by `async with`.
BOUNDED = ("asyncio.timeout", "asyncio.TaskGroup", "AsyncExitStack", "connect", "open_account", "open_caller", "open_reader",
           "self._queue.answering", "self.answering")

WITH_THE_RUN = "ends with the run, whose other tasks end by themselves; StandstillWatch looks at them"
SHORT = "the holder waits for requests alone, and each has a deadline"
WATCHED = "the other end is a process of the run: one that hangs is killed (engine/heartbeat.py), and that is its end"
THERE = "a selector has told that something is there"
OWN = "it has made the file itself"
PERSON = "a person is asked"
COUNTS = "the holder counts or looks something up"
LEASED = "commands that end by themselves (docs/exit-codes.md); this process ends where its lease does"
#: (file, function): what ends its waits.
ENDS = {
    ("engine/aside.py", "aside"): "the work has to have an end, as its docstring says",
    ("engine/channel.py", "send"): WATCHED,
    ("engine/channel.py", "_packet"): "for whom receives: they are listed here",
    ("engine/forkserver.py", "answer"): THERE,
    ("engine/group_sync.py", "sync_together"): "a disk is waited for, as by every sync",
    ("engine/lock.py", "__enter__"): "it does not wait for who has it",
    ("engine/metric.py", "__exit__"): "the thread sends without waiting",
    ("engine/supervisor.py", "_request"): WATCHED,
    ("engine/supervisor.py", "_receive"): THERE,
    ("engine/supervisor.py", "_receive_server"): THERE,
    ("engine/supervisor.py", "_drain"): "without blocking",
    ("engine/supervisor.py", "_await_end"): "each within STOP_LIMIT, and nobody sends any more",
    ("stages/fetch/backlog.py", "enter"): "shares come back with answers and slots: the order is in lane.py",
    ("stages/fetch/bucket.py", "enter"): "the holder waits for an answer, the pace or a flood wait: all have an end",
    ("stages/fetch/bucket.py", "_rest"): "an answer comes, or its deadline; flood waits are bounded by PARK_SECONDS",
    ("stages/fetch/client.py", "connect"): "inside asyncio.timeout(CLOSE_SECONDS)",
    ("stages/fetch/accounts.py", "outlive"): "each question within CONNECT_SECONDS",
    ("stages/fetch/export.py", "lost"): "the question to the others, within CONNECT_SECONDS",
    ("stages/fetch/export.py", "_attempt"): "requests with deadlines, and replies of write",
    ("stages/fetch/export.py", "_open"): "other chats are asked for annexes: each request has a deadline",
    ("stages/fetch/export.py", "_stop_plan"): WITH_THE_RUN,
    ("stages/fetch/export.py", "_close_buckets"): WITH_THE_RUN,
    ("stages/fetch/export.py", "stale"): SHORT,
    ("stages/fetch/follower.py", "run"): "the tasks were cancelled",
    ("stages/fetch/follower.py", "_step"): "its timeout is what is due next, QUIET_SECONDS at most",
    ("stages/fetch/follower.py", "_flush_due"): "receipts of write, which waits for nobody here: pipeline.py, below",
    ("stages/fetch/following.py", "_stop"): WITH_THE_RUN,
    ("stages/fetch/lane.py", "_ask"): "a job of this lane ends: the order is in lane.py",
    ("stages/fetch/login.py", "_by_qr"): "inside asyncio.timeout()",
    ("stages/fetch/main.py", "run"): WITH_THE_RUN,
    ("stages/fetch/main.py", "_export_chats"): WITH_THE_RUN,
    ("stages/fetch/main.py", "open_one"): "accounts before it connect, within CONNECT_SECONDS each",
    ("stages/fetch/media/connection.py", "close"): "disconnecting takes ten seconds at most",
    ("stages/fetch/media/connection.py", "_choose"): "the holder connects, within CONNECT_SECONDS, after a pause of Backoff",
    ("stages/fetch/media/download.py", "_refresh"): SHORT,
    ("stages/fetch/media/download.py", "rest"): "a thread that reads a file",
    ("stages/fetch/media/downloads.py", "run"): WITH_THE_RUN,
    ("stages/fetch/media/downloads.py", "_work"): "more work comes, or the run ends",
    ("stages/fetch/media/feed.py", "run"): WITH_THE_RUN,
    ("stages/fetch/media/reference.py", "_ask"): "one request answers it, or fails",
    ("stages/fetch/media/store.py", "in_thread"): "a thread that writes a file",
    ("stages/fetch/media/video.py", "run"): "the transcode process bounds every job",
    ("stages/fetch/names.py", "__anext__"): "somebody feeds a name, closes the feed or stops the run",
    ("stages/fetch/pipeline.py", "_submit"): "slots come back, and workers and write wait for nobody here: engine/ring.py",
    ("stages/fetch/pipeline.py", "drain"): "the same",
    ("stages/fetch/plan.py", "room"): "a chat under way ends",
    ("stages/fetch/plan.py", "change"): "a job of somebody else ends, or the run",
    ("stages/fetch/resolver.py", "_find_id"): "the holder lists dialogs, whose pages are bounded",
    ("stages/fetch/takeout.py", "renew"): SHORT,
    ("stages/fetch/updates.py", "catch_up"): SHORT,
    ("stages/collect/main.py", "_supervised"): THERE,
    ("stages/process/worker.py", "main"): WATCHED,
    ("stages/write/main.py", "_serve"): THERE,
    ("stages/write/main.py", "_take"): THERE,
    ("stages/collect/main.py", "_receive"): THERE,
    ("stages/fetch/main.py", "_receive"): THERE,
    ("stages/fetch/media/video.py", "_receive"): "without blocking",
    ("stages/fetch/pipeline.py", "_read"): THERE,
    ("stages/fleet/host.py", "_export"): LEASED,
    ("stages/fleet/host.py", "_run"): LEASED,
    ("stages/fleet/host.py", "_serve"): LEASED,
    ("stages/fleet/host.py", "run"): "a host works until it is stopped",
    ("stages/fleet/queue.py", "__aenter__"): "inside answering()",
    ("stages/render/desktop/export.py", "_marked_blocks"): OWN,
    ("stages/render/output.py", "_same"): "they were seen to be files",
    ("stages/render/output.py", "open"): "it does not wait for who has the lock",
    ("stages/render/pool.py", "_answer"): THERE,
    ("stages/render/pool.py", "work"): "it lives as long as who gives the work, and dies with it",
    ("stages/render/sqlite.py", "add"): OWN,
    ("stages/run/attempt.py", "_tell"): "no channel: an outcome that is told",
    ("stages/transcode/detection.py", "examine"): "a render node; pipes do not wait for who opens them to read and write",
    ("stages/transcode/encoder.py", "__init__"): "the holder runs ffmpeg, which has limits",
    ("stages/transcode/encoder.py", "receive"): "no channel: lines that ffmpeg wrote",
    ("stages/transcode/failure.py", "__init__"): COUNTS,
    ("stages/transcode/main.py", "__init__"): COUNTS,
    ("stages/transcode/main.py", "_lane"): "more jobs come, or the end of the channel, or of the run",
    ("stages/transcode/main.py", "_obey"): THERE,
    ("stages/transcode/main.py", "_take"): THERE,
    ("stages/transcode/main.py", "_work"): "each lane ends with the jobs, and ffmpeg has limits",
    ("stages/transcode/main.py", "serve"): "the thread has said that it is at its end",
    ("stages/transcode/probe.py", "__init__"): COUNTS,
    ("stages/transcode/probe.py", "read_layout"): "by the descriptor of a file that is open",
    ("stages/transcode/process.py", "__init__"): COUNTS,
    ("stages/transcode/process.py", "reap"): "it has ended, or was killed before it ran",
    ("stages/transcode/transcoder.py", "__init__"): COUNTS,
    ("stages/transcode/transcoder.py", "_name"): "a descriptor",
    ("stages/verify/archive.py", "held"): "it does not wait for who has the lock",
    ("scripts/tgbulk/cli/check.py", "_measure"): "a connection within CONNECT_SECONDS, a request with its deadline",
    ("scripts/tgbulk/cli/demo.py", "_run"): "the command has the bounds of docs/exit-codes.md",
    ("scripts/tgbulk/cli/fleet.py", "_host"): "opening the queue has a bound",
    ("scripts/tgbulk/cli/fleet.py", "_plan"): "opening the queue has a bound",
    ("scripts/tgbulk/cli/fleet.py", "_status"): "opening the queue has a bound",
    ("scripts/tgbulk/cli/prompt.py", "_read_line"): PERSON,
    ("scripts/tgbulk/cli/screen.py", "_lines"): "no queue: what rich drew",
}


def waits() -> Iterator[tuple[str, str]]:
    """(file, function) of each wait that has no bound of its own."""
    for room in ROOMS:
        for path in [TREE / room] if room.endswith(".py") else sorted((TREE / room).rglob("*.py")):
            tree = ast.parse(path.read_text())
            for function, node in _within(tree, ""):
                if _is_open(node):
                    yield str(path.relative_to(TREE)), function


def _within(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node, with the name of the innermost function around it."""
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.wait_for":
            continue  # with a bound, and what it bounds
        yield inner, child
        yield from _within(child, inner)


def _is_open(node: ast.AST) -> bool:
    if isinstance(node, ast.Await):
        return isinstance(node.value, ast.Name | ast.Attribute) or _is_call_without_end(node.value, awaited=True)
    if isinstance(node, ast.AsyncWith):
        return any(not ast.unparse(one.context_expr).startswith(BOUNDED) for one in node.items)
    return _is_call_without_end(node)


def _is_call_without_end(node: ast.AST, awaited: bool = False) -> bool:
    """Whether it is a call of the lists above, without an end. An awaited one waits even where it is given something."""
    if not isinstance(node, ast.Call):
        return False
    name, given = ast.unparse(node.func), [ast.unparse(one) for one in (*node.args, *node.keywords)]
    if name in UNLESS:
        return not any(word in one for word in UNLESS[name] for one in given)
    method = name.rpartition(".")[2]
    timed = any(one.startswith(("timeout=", "wait=")) for one in given)
    return not timed and (method in RECEIVING or (method in WAITING and (awaited or not given)))


def test_every_wait_is_known_and_has_an_end() -> None:
    found = set(waits())
    assert sorted(found - set(ENDS)) == [], "a wait without a timeout: give it one, or say here what ends it"
    assert sorted(set(ENDS) - found) == [], "no such wait any more"


def test_every_request_goes_through_the_sender_that_bounds_it() -> None:
    """Nobody else in fetch makes one of Telethon's."""
    for path in FETCH.rglob("*.py"):
        if path.name != "sender.py":
            assert "MTProtoSender" not in path.read_text(), path
    assert Sender.send is not MTProtoSender.send
    assert Sender._reconnect is not MTProtoSender._reconnect
