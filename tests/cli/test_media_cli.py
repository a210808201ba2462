"""`tgbulk export --media`: every file as the truth has it, and only those that were asked for."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.exporter import Exporter, contents
from support.medium import CHATS, GET_FILE, KINDS, SMALL, check, files, summary


@pytest.fixture
def exporter(media_exporter: Exporter) -> Exporter:
    return media_exporter


def test_every_medium_of_every_kind(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.run(tmp_path, *CHATS, "--media", "all", "--thumbnails", "--profile-photos")
    done = check(tmp_path, truth)
    chats = {(row["kind"], row["id"]) for row in truth.values() if row["chat"] in (KINDS, 5000000001)}
    assert {(row["kind"], row["id"]) for row in done.values()} >= chats
    assert {path.split("/")[0] for path in done} == {
        "photo", "video", "voice", "round", "audio", "document", "sticker", "animation", "thumbnail", "profile",
    }
    stated = summary(tmp_path)
    assert (stated["files"], stated["skipped"], stated["failed"], stated["waiting"]) == (len(done), {}, {}, 0)
    assert stated["unavailable"].keys() == {
        "empty", "self-destructing", "paid", "on another server", "expired story", "story not sent along", "custom emoji",
    }
    assert {row["dc"] for row in done.values()} == {2, 4}
    exporter.dc.control("reset")
    before = files(tmp_path)
    exporter.run(tmp_path, *CHATS, "--media", "all", "--thumbnails", "--profile-photos")
    assert (exporter.calls()[GET_FILE], files(tmp_path), summary(tmp_path)["known"]) == (0, before, len(done))


def test_messages_are_the_same_with_and_without(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path / "without", *CHATS)
    exporter.run(tmp_path / "with", *CHATS, "--media", "all")
    assert contents(tmp_path / "without") == contents(tmp_path / "with")
    assert not (tmp_path / "without" / "media").exists()
    assert not (tmp_path / "without" / "media.sqlite").exists()


def test_selection(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_kinds", "--media", "photo,voice", "--max-size", "30K")
    first = check(tmp_path, truth)
    assert {row["category"] for row in first.values()} == {"photo", "voice"}
    assert max(row["size"] for row in first.values()) <= 30 * 1024
    skipped = summary(tmp_path)["skipped"]
    assert skipped["video: not asked for"] > 0
    exporter.dc.control("reset")
    exporter.run(tmp_path, "@sim_kinds", "--media", "all")
    second = check(tmp_path, truth)
    assert exporter.calls()[GET_FILE] >= len(second) - len(first) - 1
    assert summary(tmp_path)["known"] == len(first)
    assert summary(tmp_path)["files"] == len(second) - len(first)


def test_only_of_the_messages_asked_for(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_small")
    exporter.run(tmp_path, "@sim_small", "--media", "all", "--last", "10")
    assert len(check(tmp_path, truth)) == 10
    exporter.run(tmp_path, "@sim_small", "--media", "all")
    assert len(check(tmp_path, truth)) == SMALL[0]


def test_two_accounts_have_one_file(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    """What one account found, another one fetches with a hash of its own; what is there costs nothing."""
    exporter.run(tmp_path, "@sim_kinds", "--media", "voice")
    exporter.run(tmp_path, "@sim_kinds", "--media", "all", "--account", "second")
    assert len(check(tmp_path, truth)) > 60
    exporter.dc.control("reset")
    exporter.run(tmp_path, "@sim_kinds", "--media", "all", "--account", "second")
    exporter.run(tmp_path, "@sim_kinds", "--media", "all", "--account", "main", "--account", "second")
    assert exporter.calls()[GET_FILE] == 0


def test_connections_share_the_key_of_their_data_centre(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.dc.control("set", latency_ms=30)
    exporter.run(tmp_path, "@sim_small", "--media", "all", "--media-connections", "3")
    assert len(check(tmp_path, truth)) == SMALL[0]
    counters = exporter.dc.counters()
    assert (counters["handshakes"], exporter.calls()["auth.exportAuthorization"]) == (1, 1)
    assert 3 <= counters["connections"] <= 1 + 2 * 3
    (metrics,) = tmp_path.glob("runs/*/metrics.json")
    assert json.loads(metrics.read_text())["requests"][GET_FILE]["count"] == SMALL[0]


def test_gentle(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_trio", "--media", "all", "--gentle")
    assert exporter.calls()[GET_FILE] == len(files(tmp_path)) >= 2


def test_two_accounts_share_the_work(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    """Each downloads what it has found itself: the other's hashes and references are no use to it."""
    exporter.dc.control("set", latency_ms=10)
    exporter.run(tmp_path, "@sim_shared", "@sim_kinds", "--media", "all", "--account", "main", "--account", "second")
    assert len(check(tmp_path, truth)) > 700
    counts = exporter.dc.counters()["methods"]
    assert counts[GET_FILE]["errors"] == {}
    assert "channels.getMessages" not in counts


def test_inside_a_takeout(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.dc.control("flood", method=GET_FILE, rate=0.001, burst=1)
    exporter.dc.control("flood", method=GET_FILE, rate=10_000, burst=1000, takeout=True)
    exporter.run(tmp_path, "@sim_kinds", "--media", "all", "--takeout", "yes")
    assert len(check(tmp_path, truth)) > 60
    exporter.dc.control("flood", method=GET_FILE, takeout=True)


def test_events_for_programs(exporter: Exporter, tmp_path: Path) -> None:
    events = exporter.events(tmp_path, "@sim_kinds", "--media", "voice")
    (stated,) = (event for event in events if event["event"] == "media_stated")
    assert stated["files"] >= 1
    assert events[-1]["media"]["files"] == stated["files"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--media", "videos"], "'videos' is not among none, all, photo"),
        (["--media", ","], "it is empty"),
        (["--media", "none,photo"], "'none' is not among"),
        (["--media", "all", "--max-size", "large"], "'large' is no size"),
        (["--max-size", "5M"], "--max-size needs --media"),
        (["--media", "all", "--media-connections", "9"], "9 is not in the range"),
    ],
)
def test_wrong_words(exporter: Exporter, tmp_path: Path, words: list[str], text: str) -> None:
    assert text in exporter.run(tmp_path, "@sim_kinds", *words, code=2).stderr
