"""`tgbulk export --media` on a server that moves, cuts, shortens, floods and forgets."""
from __future__ import annotations

import base64
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from telethon.tl import types

from support.exporter import HISTORY, Exporter, ended
from support.medium import BIG, CHATS, GET_FILE, SMALL, check, files, rows, summary
from tgbulk.perf.simdc.reference import current
from tgbulk.perf.simdc.world import Account
from tgbulk.stages.fetch.media.connection import START
from tgbulk.stages.fetch.media.download import REDIRECTED


@pytest.fixture
def exporter(media_exporter: Exporter) -> Exporter:
    return media_exporter


def test_a_spiteful_server(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    """References that live two seconds, dropped connections, server errors, short parts, answers that overtake."""
    exporter.dc.control("set", latency_ms=20, jitter_ms=15, drop_rate=0.01, error_rate=0.04, short_rate=0.15,
                        reference_lifetime=2)
    exporter.run(tmp_path, *CHATS, "@sim_big", "@sim_small", "--media", "all", "--thumbnails")
    done = check(tmp_path, truth)
    assert len(done) > 200


def test_references_that_expired_are_wrong_or_lost(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    """Photos and documents alike, and all of them in few calls."""
    exporter.run(tmp_path, "@sim_kinds", "@sim_small", "--media", "round")
    old = current(Account(0, 5000000001, "", ""), 1_600_000_000)
    database = sqlite3.connect(tmp_path / "media.sqlite", isolation_level=None)
    spoilt = "case number % 3 when 0 then ? when 1 then ? else x'' end"
    database.execute(f"update file set reference = {spoilt}", (old, bytes(24)))
    database.close()
    exporter.dc.control("set", latency_ms=300, methods=["channels.getMessages"])
    exporter.dc.control("reset")
    exporter.run(tmp_path, "@sim_kinds", "@sim_small", "--media", "all", "--thumbnails")
    assert {row["kind"] for row in check(tmp_path, truth).values()} == {"photo", "document"}
    counts = exporter.dc.counters()["methods"]
    errors = counts[GET_FILE]["errors"]
    assert errors.keys() == {"FILE_REFERENCE_EXPIRED", "FILE_REFERENCE_INVALID"}
    assert min(errors.values()) > 40
    assert counts["channels.getMessages"]["calls"] < 40


def test_references_are_refreshed_in_batches(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    """Messages that are there already have no references; one call brings those of a hundred."""
    exporter.run(tmp_path, "@sim_small")
    exporter.dc.control("set", latency_ms=300, methods=["channels.getMessages"])
    exporter.dc.control("reset")
    exporter.run(tmp_path, "@sim_small", "--media", "document")
    assert len(check(tmp_path, truth)) == SMALL[0]
    calls = exporter.calls()
    assert calls[GET_FILE] == SMALL[0]
    assert calls["channels.getMessages"] <= 20


def test_a_redirect_to_a_cdn_fails_the_file_in_clear_words(
    exporter: Exporter, truth: dict[Any, Any], tmp_path: Path
) -> None:
    exporter.dc.control("set", cdn_rate=1)
    done = exporter.run(tmp_path, "@sim_trio", "--media", "all", code=3)
    ((reason, count),) = summary(tmp_path)["failed"].items()
    assert reason == REDIRECTED
    assert count >= 2
    assert reason in done.stderr
    assert files(tmp_path) == {}
    exporter.dc.control("set", cdn_rate=0)
    exporter.run(tmp_path, "@sim_trio", "--media", "all")
    check(tmp_path, truth)


def test_a_redirect_in_the_middle_of_a_file(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    """The parts that came are kept."""
    exporter.dc.control("set", latency_ms=500, methods=[GET_FILE])
    with ended(exporter.start(tmp_path, "@sim_big", "--media", "all")) as process:
        while exporter.calls()[GET_FILE] <= START:  # so many are on the way at the start: then the first ones have come
            assert process.poll() is None
            time.sleep(0.02)
        exporter.dc.control("set", cdn_rate=1)
        assert process.wait(60) == 3
    exporter.dc.control("set", latency_ms=0)
    exporter.dc.control("set", cdn_rate=0)
    exporter.dc.control("reset")
    exporter.run(tmp_path, "@sim_big", "--media", "all")
    assert len(check(tmp_path, truth)) == BIG[0]
    assert exporter.calls()[GET_FILE] < BIG[0] * BIG[1] / 2**20


def test_a_file_in_another_data_centre_is_followed(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_small", "--media", "photo")
    database = sqlite3.connect(tmp_path / "media.sqlite", isolation_level=None)
    database.execute("update file set dc = 6 - dc")
    database.close()
    exporter.run(tmp_path, "@sim_small", "--media", "all")
    assert len(check(tmp_path, truth)) == SMALL[0]
    errors = exporter.dc.counters()["methods"][GET_FILE]["errors"]
    assert errors["FILE_MIGRATE_2"] > 0
    assert errors["FILE_MIGRATE_4"] > 0


def test_floods_pause_the_media_alone(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.dc.control("flood", method=GET_FILE, rate=60, burst=20)
    exporter.run(tmp_path, "@sim_small", "--media", "all")
    assert len(check(tmp_path, truth)) == SMALL[0]
    counts = exporter.dc.counters()["methods"][GET_FILE]
    assert counts["floods"] > 0
    assert counts["early"] <= counts["floods"] * 16


def test_a_message_that_is_gone_is_named(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_gone")
    exporter.dc.control("mutate", chat="sim_gone", delete=[2])
    exporter.run(tmp_path, "@sim_gone", "--media", "all")
    documents = [row for row in rows(tmp_path) if row["kind"] == "document"]
    assert {row["path"].rpartition("_")[2]: row["state"] for row in documents} == {
        "1.bin": "done", "2.bin": "unavailable", "3.bin": "done",
    }
    assert summary(tmp_path)["unavailable"] == {"the message is gone, or has another medium now": 1}


def test_a_deadline_ends_a_file_and_the_run_is_partial(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.dc.control("set", latency_ms=1200, methods=[GET_FILE])
    done = exporter.run(tmp_path, "@sim_big", "--media", "all", "--media-deadline", "1", code=3)
    assert "not there after 1 s" in done.stderr
    assert summary(tmp_path)["failed"] == {"not there after 1 s": BIG[0]}
    exporter.calm()
    exporter.run(tmp_path, "@sim_big", "--media", "all")
    assert len(check(tmp_path, truth)) == BIG[0]


def test_a_long_flood_wait_leaves_the_media_for_the_next_run(
    exporter: Exporter, truth: dict[Any, Any], tmp_path: Path
) -> None:
    exporter.dc.control("flood", method=GET_FILE, rate=0.0005, burst=10)
    done = exporter.run(tmp_path, "@sim_small", "--media", "all", code=3)
    assert "the media that are left wait for the next run" in done.stderr
    # What was just getting its name is found by the next run.
    assert len(files(tmp_path)) == 10 >= summary(tmp_path)["files"] == SMALL[0] - summary(tmp_path)["waiting"]
    exporter.dc.control("flood", method=GET_FILE)
    exporter.run(tmp_path, "@sim_small", "--media", "all")
    assert len(check(tmp_path, truth)) == SMALL[0]
    counts = exporter.dc.counters()["methods"][GET_FILE]
    assert counts["calls"] - sum(counts["errors"].values()) == SMALL[0], "none of them came twice"


def raw(data: bytes) -> dict[str, str]:
    return {"lie": "raw", "data": base64.b64encode(data).decode()}


def once(field: str, value: int) -> dict[str, Any]:
    return {"lie": "change", "field": f"messages.0.media.document.{field}", "value": value, "times": 1}


@pytest.mark.parametrize(
    ("method", "lie", "said"),
    [
        (HISTORY, once("size", 1 << 62), "no file there is"),
        *((HISTORY, once("dc_id", dc), f"no data centre {dc} in its list") for dc in (5, 77, 203)),
        (GET_FILE, {"lie": "refuse", "code": 303, "message": "FILE_MIGRATE_77", "after": 2}, "data centre 77"),
        (GET_FILE, raw(b"\xde\xad\xbe\xef") | {"after": 2}, "cannot be read"),
        (GET_FILE, raw(bytes(types.upload.FileCdnRedirect(203, b"", b"", b"", []))) | {"after": 2}, REDIRECTED),
        (GET_FILE, raw(bytes.fromhex("b5757299")) | {"after": 2}, "of another type"),
        (GET_FILE, {"lie": "refuse", "code": 406, "message": "", "after": 2}, "error 406, without a text"),
    ],
)
def test_a_file_about_which_the_server_lies_fails_alone(
    exporter: Exporter, truth: dict[Any, Any], tmp_path: Path, method: str, lie: dict[str, Any], said: str
) -> None:
    exporter.dc.control("lie", method=method, **lie)
    try:
        done = exporter.run(tmp_path, "@sim_trio", "--media", "document", code=3)
    finally:
        exporter.dc.control("lie", method=method)
    assert said in done.stderr
    assert summary(tmp_path)["files"] == 2
    check(tmp_path, truth)


def test_a_flood_wait_is_named_by_what_met_it(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    """A file in another data centre needs a login there first."""
    export = "auth.exportAuthorization"
    exporter.dc.control("lie", method=export, lie="refuse", code=420, message="FLOOD_WAIT_1", times=1)
    events = exporter.events(tmp_path, "@sim_small", "--media", "all")
    assert {event["method"] for event in events if event["event"] == "waiting"} == {export}
    assert len(check(tmp_path, truth)) == SMALL[0]
