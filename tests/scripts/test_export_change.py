"""Chats that change between two exports; while one goes on: tests/disaster/test_schedule.py."""
from __future__ import annotations

import json
from pathlib import Path

from exporter import HISTORY, Exporter, contents, wrong

CHAT, NAME = -1003000000002, "@sim_changing"


def test_a_later_run_fetches_what_is_new(exporter: Exporter, tmp_path: Path) -> None:
    dc, archive = exporter.dc, tmp_path / "archive"
    exporter.run(archive, NAME)
    before = contents(archive)[f"chats/{CHAT}/messages.jsonl"]
    made = dc.control("mutate", chat=CHAT, insert=250)["insert"]
    exporter.calm()
    events = exporter.events(archive, NAME)
    assert exporter.calls()[HISTORY] <= 4
    assert (events[-1]["new_messages"], len(made)) == (250, 250)
    after = contents(archive)[f"chats/{CHAT}/messages.jsonl"]
    assert after.startswith(before)
    assert [json.loads(line)["id"] for line in after[len(before) :].splitlines()] == made
    assert wrong(archive, exporter.truth(tmp_path / "truth", [CHAT])) == {}
