"""Chats that change while they are exported, and a server in every kind of trouble, over real sockets."""
from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exporter import CALM, HISTORY, Exporter, chat_json, contents, lines, wrong

from perf.simdc.launcher import SimDC

CHAT, NAME = -1003000000002, "@sim_changing"
HOLLOW, BUSY = -1001500000012, -1001500000001
RATES = {"insert": 25, "edit": 25, "delete": 25}
STILL = dict.fromkeys(RATES, 0)


@pytest.fixture
def restless(exporter: Exporter) -> Iterator[Exporter]:
    yield exporter
    exporter.dc.control("mutate", chat=CHAT, rates=STILL)
    exporter.calm()


def changed(dc: SimDC, since: int, do: str) -> set[int]:
    log = dc.control("mutations", chat=CHAT)[since:]
    return {change["id"] for change in log if change["do"] == do}


def drops(dc: SimDC, source: random.Random, over: threading.Event) -> None:
    while not over.wait(source.uniform(0.3, 1.2)):
        dc.control("drop")


@pytest.mark.parametrize("seed", range(3))
def test_everything_at_once(restless: Exporter, tmp_path: Path, seed: int) -> None:
    """Inserts, edits, deletions, jitter, server errors, lost connections and floods: every message that existed from the
    first to the last moment is there once, unless it was edited as it is; what came or went meanwhile may be there."""
    source = random.Random(seed)
    dc, archive = restless.dc, tmp_path / "archive"
    before = restless.truth(tmp_path / "before", [CHAT])
    since = len(dc.control("mutations"))
    marked = len(dc.control("mutations", chat=CHAT))
    dc.control("mutate", chat=CHAT, rates=RATES)
    dc.control("set", latency_ms=40, jitter_ms=40, error_rate=0.05, drop_rate=0.01, methods=[HISTORY])
    dc.control("flood", method=HISTORY, rate=source.choice([25, 60]), burst=10)
    over = threading.Event()
    dropping = threading.Thread(target=drops, args=(dc, source, over))
    dropping.start()
    try:
        restless.run(archive, NAME, "@sim_hollow", "@sim_busy", "--max-in-flight", source.choice([4, 16]), "--workers", 2)
    finally:
        over.set()
        dropping.join()
        dc.control("mutate", chat=CHAT, rates=STILL)
        dc.control("set", **CALM)
    assert len(dc.control("mutations")) > since + 20
    met = dc.counters()["methods"][HISTORY]["errors"]
    assert len(met) >= 2, met
    after = restless.truth(tmp_path / "after", [CHAT, HOLLOW, BUSY])
    assert wrong(archive, after, [HOLLOW, BUSY]) == {}
    found = lines(archive, CHAT)
    ids = [message["id"] for message in found]
    assert ids == sorted(set(ids))
    gone, come, edited = (changed(dc, marked, do) for do in ("delete", "insert", "edit"))
    first, last = (by_id(folder / f"{CHAT}.jsonl") for folder in (before, after))
    assert first.keys() - gone <= set(ids) <= first.keys() | come
    for message in found:
        if message["id"] not in edited:
            known = first.get(message["id"]) or last.get(message["id"])
            assert known is None or message == known
    peers = {peer["id"] for peer in lines(archive, CHAT, "peers")}
    senders = {message["from_id"]["user_id"] for message in found if "user_id" in message.get("from_id", {})}
    assert senders <= peers
    assert chat_json(archive, CHAT)["messages"] == len(ids)


def by_id(path: Path) -> dict[int, dict[str, Any]]:
    return {one["id"]: one for one in map(json.loads, path.read_bytes().splitlines())}


def test_a_later_run_fetches_what_is_new(restless: Exporter, tmp_path: Path) -> None:
    dc, archive = restless.dc, tmp_path / "archive"
    restless.run(archive, NAME)
    before = contents(archive)[f"chats/{CHAT}/messages.jsonl"]
    made = dc.control("mutate", chat=CHAT, insert=250)["insert"]
    restless.calm()
    events = restless.events(archive, NAME)
    assert restless.calls()[HISTORY] <= 4
    assert (events[-1]["new_messages"], len(made)) == (250, 250)
    after = contents(archive)[f"chats/{CHAT}/messages.jsonl"]
    assert after.startswith(before)
    assert [json.loads(line)["id"] for line in after[len(before) :].splitlines()] == made
    assert wrong(archive, restless.truth(tmp_path / "truth", [CHAT])) == {}
