"""What crosses between the processes of a real run: raw pages in the arena, small frames beside them."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.exporter import HISTORY, Exporter
from tgbulk.engine.frame import DATA_LIMIT

#: Runs in every Python process. In the processes of a run, counts the messages that Telethon builds, the frames of the data
#: way and the bytes that go into arenas, and writes that down at the end.
COUNTING = """
import collections, json, os, sys
if "tgbulk.engine.forkserver" in sys.orig_argv:
    from tgbulk.engine import arena, channel, frame
    from telethon.tl import types

    count = collections.Counter()

    def watch(cls, name, note):
        real = getattr(cls, name)
        def watched(self, *arguments):
            note(self, *arguments)
            return real(self, *arguments)
        setattr(cls, name, watched)

    def sent(hop, message, descriptors=()):
        if hop.limit == frame.DATA_LIMIT:
            count[type(message).__name__] += 1
            count["overflows"] += len(descriptors)
            count["largest"] = max(count["largest"], len(frame.pack(message)))

    def written(memory, slot, data, *rest):
        count["bytes"] += len(data)

    watch(channel.Channel, "send", sent)
    watch(arena.Arena, "write", written)
    for cls in (types.Message, types.MessageService, types.MessageEmpty):
        def from_reader(one, reader, original=cls.from_reader.__func__):
            count["messages"] += 1
            return original(one, reader)
        cls.from_reader = classmethod(from_reader)
    leave = os._exit
    def _exit(code):
        with open("/proc/self/comm") as comm, open(os.environ["TGBULK_TEST_COUNTS"], "a") as file:
            file.write(json.dumps([comm.read().strip(), count]) + "\\n")
        leave(code)
    os._exit = _exit
"""


def watched_run(exporter: Exporter, folder: Path, *words: object) -> dict[str, dict[str, Any]]:
    """What each process of a run counted, by its name."""
    (folder / "sitecustomize.py").write_text(COUNTING)
    counts = folder / "counts"
    exporter.run(
        folder / "archive", *words, "--workers", 1, PYTHONPATH=str(folder), TGBULK_TEST_COUNTS=str(counts)
    )
    return dict(json.loads(line) for line in counts.read_text().splitlines())


def test_pages_cross_raw_and_in_the_arena(exporter: Exporter, tmp_path: Path) -> None:
    counts = watched_run(exporter, tmp_path, "@sim_middle", "@sim_kinds", "me")
    fetch, process, write = (counts[f"tgbulk-{name}"] for name in ("fetch", "process-", "write"))
    pages = exporter.calls()[HISTORY]
    assert pages >= 50
    assert fetch.get("messages", 0) == 0
    assert fetch["Page"] >= pages
    assert process["Block"] == fetch["Page"] == write["Ack"]
    assert fetch["overflows"] == 0
    received = exporter.dc.counters()["accounts"]["0"]["bytes_out"]
    assert fetch["bytes"] > received / 2
    assert process["bytes"] > fetch["bytes"]
    for one in counts.values():
        assert one.get("largest", 0) < DATA_LIMIT
