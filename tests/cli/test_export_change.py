"""Chats that change between two exports; while one goes on: tests/disaster/test_schedule.py."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.exporter import HISTORY, Exporter, chat_json, contents, lines, wrong

CHAT, NAME = -1003000000002, "@sim_changing"
GROUP = -4500000001


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


@pytest.mark.parametrize("words", [[str(GROUP)], ["--type", "group"]])
def test_a_basic_group_that_the_account_was_removed_from(exporter: Exporter, tmp_path: Path, words: list[str]) -> None:
    """Telegram still gives what it has; whether it does is for Telegram to say."""
    exporter.run(tmp_path / "before", *words)
    exporter.dc.control("alter", chat=GROUP, removed=True)
    try:
        exporter.run(tmp_path / "archive", *words)
        assert lines(tmp_path / "archive", GROUP) == lines(tmp_path / "before", GROUP)
        exporter.dc.control("lie", method=HISTORY, lie="refuse", code=400, message="CHAT_ID_INVALID")
        done = exporter.run(tmp_path / "other", str(GROUP), code=4)
        assert "CHAT_ID_INVALID" in done.stderr
    finally:
        exporter.dc.control("lie", method=HISTORY)
        exporter.dc.control("alter", chat=GROUP, removed=False)


def test_which_account_brought_a_line_is_in_the_archive(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path, NAME)
    assert "sources" not in chat_json(tmp_path, CHAT)
    first = chat_json(tmp_path, CHAT)
    made = exporter.dc.control("mutate", chat=CHAT, insert=3)["insert"]
    exporter.run(tmp_path, NAME, "--account", "second")
    second = chat_json(tmp_path, CHAT)
    assert second["account"] != first["account"]
    brought = {one["account"]: one["ids"] for one in second["sources"]}
    assert brought.keys() == {first["account"], second["account"]}
    assert brought[first["account"]] == [[lo, hi - 1] for lo, hi in first["covered"]]
    assert brought[second["account"]][0][0] <= made[0] <= made[-1] <= brought[second["account"]][-1][1]
    exporter.run(tmp_path, NAME, "--account", "second")
    assert chat_json(tmp_path, CHAT)["sources"] == second["sources"]
