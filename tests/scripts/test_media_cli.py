"""`tgbulk export --media` on a server that moves, cuts, shortens, floods and forgets: every file as the truth has it."""
from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import at_home
from exporter import CALM, Exporter, contents, ended, member, members

from perf.simdc.launcher import SimDC
from perf.simdc.reference import current
from perf.simdc.world import Account

KINDS = -1001500000011
CHATS = ("@sim_kinds", "me")
GET_FILE = "upload.getFile"
#: The chats of few large and of many small files.
BIG, SMALL = (2, 10_000_000), (150, 20_000)


@pytest.fixture(scope="module")
def _exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    shapes = [f"--files={name}={count}x{size}" for name, (count, size) in (("big", BIG), ("small", SMALL))]
    with SimDC(*shapes, "--files=gone=3x1000", "--files=lost=2x1000", "--files=shared=700x500") as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


@pytest.fixture
def exporter(_exporter: Exporter) -> Exporter:
    _exporter.dc.control("set", **CALM, short_rate=0, cdn_rate=0, reference_lifetime=86400)
    for method in (GET_FILE, "channels.getMessages"):
        _exporter.dc.control("flood", method=method)
    _exporter.calm()
    return _exporter


@pytest.fixture(scope="module")
def truth(_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int, str], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("truth")
    _exporter.dc.control("truth", folder=str(folder))
    rows = json.loads((folder / "0" / "media.json").read_text())
    return {(row["kind"], row["id"], row["letter"]): row for row in rows}


def rows(archive: Path) -> list[dict[str, Any]]:
    database = sqlite3.connect(f"file:{archive}/media.sqlite?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in database.execute("select * from file")]
    finally:
        database.close()


def files(archive: Path) -> dict[str, bytes]:
    return {str(path.relative_to(archive / "media")): path.read_bytes()
            for path in (archive / "media").rglob("*") if path.is_file()}


def check(archive: Path, truth: dict[tuple[str, int, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every file is as the truth has it, and nothing else is there; the rows of the files by path."""
    done = {row["path"]: row for row in rows(archive) if row["state"] == "done"}
    assert files(archive).keys() == done.keys()
    for path, data in files(archive).items():
        row = done[path]
        digest = hashlib.sha256(data).hexdigest()
        assert (row["size"], row["sha256"].hex()) == (len(data), digest)
        if row["kind"] != "peer_photo":
            true = truth[row["kind"], row["id"], row["letter"]]
            assert (len(data), digest) == (true["size"], true["sha256"])
        status = (archive / "media" / path).lstat()
        assert stat.S_IMODE(status.st_mode) & 0o133 == 0
        assert not row["date"] or status.st_mtime == row["date"]
    return done


def summary(archive: Path) -> dict[str, Any]:
    newest = max((archive / "runs").glob("*/summary.json"), key=lambda path: path.stat().st_mtime_ns)
    found: dict[str, Any] = json.loads(newest.read_text())["media"]
    return found


def served(exporter: Exporter) -> int:
    """Bytes of all answers since the last reset."""
    return sum(one["bytes_out"] for one in exporter.dc.counters()["accounts"].values())


def under_way(archive: Path, process: subprocess.Popen[str]) -> bool:
    """Wait until a large file is; False where the run has ended without one."""
    deadline = time.monotonic() + 60
    while not list((archive / "media").glob("*/*/*.part")) and time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return True


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
    assert stated["unavailable"].keys() == {"empty", "self-destructing", "paid", "on another server", "expired story"}
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
    exporter.dc.control("reset")
    exporter.run(tmp_path, "@sim_small", "--media", "document")
    assert len(check(tmp_path, truth)) == SMALL[0]
    calls = exporter.calls()
    assert calls[GET_FILE] == SMALL[0]
    assert calls["channels.getMessages"] <= 20


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


def test_a_redirect_to_a_cdn_fails_the_file_in_clear_words(
    exporter: Exporter, truth: dict[Any, Any], tmp_path: Path
) -> None:
    exporter.dc.control("set", cdn_rate=1)
    exporter.run(tmp_path, "@sim_gone", "--media", "all", code=3)
    (reason,) = summary(tmp_path)["failed"]
    assert "CDN" in reason
    assert files(tmp_path) == {}
    exporter.dc.control("set", cdn_rate=0)
    exporter.run(tmp_path, "@sim_gone", "--media", "all")
    check(tmp_path, truth)


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


def test_connections_share_the_key_of_their_data_centre(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.dc.control("set", latency_ms=30)
    exporter.run(tmp_path, "@sim_small", "--media", "all", "--media-connections", "3")
    assert len(check(tmp_path, truth)) == SMALL[0]
    counters = exporter.dc.counters()
    assert (counters["handshakes"], exporter.calls()["auth.exportAuthorization"]) == (1, 1)
    assert 3 <= counters["connections"] <= 1 + 2 * 3
    (metrics,) = tmp_path.glob("runs/*/metrics.json")
    assert json.loads(metrics.read_text())["requests"][GET_FILE]["count"] == SMALL[0]


def test_an_index_that_is_no_index(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_gone", "--media", "all")
    (tmp_path / "media.sqlite").write_bytes(b"not SQLite" * 1000)
    done = exporter.run(tmp_path, "@sim_gone", "--media", "all", code=8)
    assert "media.sqlite is damaged" in done.stderr
    assert "Delete it" in done.stderr


def test_gentle(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_gone", "--media", "all", "--gentle")
    assert exporter.calls()[GET_FILE] == len(files(tmp_path)) >= 2


def test_two_accounts_share_the_work(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    """Each downloads what it has found itself: the other's hashes and references are no use to it."""
    exporter.dc.control("set", latency_ms=10)
    exporter.run(tmp_path, "@sim_shared", "@sim_kinds", "--media", "all", "--account", "main", "--account", "second")
    assert len(check(tmp_path, truth)) > 700
    counts = exporter.dc.counters()["methods"]
    assert counts[GET_FILE]["errors"] == {}
    assert "channels.getMessages" not in counts


def test_floods_pause_the_media_alone(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.dc.control("flood", method=GET_FILE, rate=60, burst=20)
    exporter.run(tmp_path, "@sim_small", "--media", "all")
    assert len(check(tmp_path, truth)) == SMALL[0]
    counts = exporter.dc.counters()["methods"][GET_FILE]
    assert counts["floods"] > 0
    assert counts["early"] <= counts["floods"] * 16


def test_inside_a_takeout(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.dc.control("flood", method=GET_FILE, rate=0.001, burst=1)
    exporter.dc.control("flood", method=GET_FILE, rate=10_000, burst=1000, takeout=True)
    exporter.run(tmp_path, "@sim_kinds", "--media", "all", "--takeout", "yes")
    assert len(check(tmp_path, truth)) > 60
    exporter.dc.control("flood", method=GET_FILE, takeout=True)


def test_a_message_that_is_gone_is_named(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_gone")
    exporter.dc.control("mutate", chat="sim_gone", delete=[2])
    exporter.run(tmp_path, "@sim_gone", "--media", "all")
    documents = [row for row in rows(tmp_path) if row["kind"] == "document"]
    assert {row["path"].rpartition("_")[2]: row["state"] for row in documents} == {
        "1.bin": "done", "2.bin": "unavailable", "3.bin": "done",
    }
    assert summary(tmp_path)["unavailable"] == {"the message is gone, or has another medium now": 1}


@pytest.mark.parametrize("name", ["fetch", "write", "all"])
def test_killed_in_the_middle_of_a_file(
    exporter: Exporter, truth: dict[Any, Any], tmp_path: Path, name: str
) -> None:
    """What was served twice is at most what was on its way: the map of parts is kept."""
    exporter.dc.control("set", latency_ms=80)
    words = ("@sim_big", "@sim_kinds", "--media", "all")
    total = BIG[0] * BIG[1]
    for turn in range(3):
        with ended(exporter.start(tmp_path, *words)) as process:
            if not under_way(tmp_path, process):
                assert turn > 0, "the supervisor may have gone on with another process"
                break
            time.sleep(0.25)
            if name == "all":
                for one in members(process.pid):
                    one.kill()
            else:
                member(process.pid, name).kill()
            process.wait(60)
    exporter.run(tmp_path, *words)
    check(tmp_path, truth)
    assert served(exporter) < 1.9 * total + 10_000_000
    fresh = tmp_path / "fresh"
    exporter.dc.control("set", latency_ms=0)
    exporter.run(fresh, *words)
    assert files(tmp_path) == files(fresh)
    assert {path: data for path, data in contents(tmp_path).items() if path.endswith("messages.jsonl")} == {
        path: data for path, data in contents(fresh).items() if path.endswith("messages.jsonl")
    }


def test_interrupted_and_resumed(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.dc.control("set", latency_ms=100)
    with ended(exporter.start(tmp_path, "@sim_big", "--media", "all")) as process:
        assert under_way(tmp_path, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 11
    assert summary(tmp_path)["waiting"] > 0
    exporter.run(tmp_path, "@sim_big", "--media", "all")
    assert len(check(tmp_path, truth)) == BIG[0]


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


def test_an_index_that_was_deleted_is_made_anew(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_kinds", "--media", "all")
    before = check(tmp_path, truth)
    (tmp_path / "media.sqlite").unlink()
    (gone,) = [path for path in before if path.endswith("3000000.bin")]
    (tmp_path / "media" / gone).unlink()
    exporter.dc.control("reset")
    exporter.run(tmp_path, "@sim_kinds", "--media", "all")
    assert check(tmp_path, truth).keys() == before.keys()
    assert exporter.calls()[GET_FILE] == 3, "the parts of the one that was gone"


def test_verify_reads_every_file(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_small", "--media", "all")
    assert exporter.tgbulk("verify", str(tmp_path)).returncode == 0
    first, second, third, *_ = sorted((tmp_path / "media").glob("document/*/*"))
    first.write_bytes(first.read_bytes()[:-1] + b"?")
    second.unlink()
    third.write_bytes(b"short")
    (tmp_path / "media" / "mine").touch()
    done = exporter.tgbulk("verify", str(tmp_path))
    assert done.returncode == 12
    for text in ("it is not what was downloaded", "it is missing", "it has 5 bytes, not 20,000", "does not belong"):
        assert text in done.stdout + done.stderr


def test_what_is_lost_comes_again_alone(exporter: Exporter, truth: dict[Any, Any], tmp_path: Path) -> None:
    """A medium that is cut, changed or gone; no page of history is asked for, and what was skipped stays skipped."""
    exporter.run(tmp_path, "@sim_kinds", "@sim_small", "--media", "all", "--max-size", "100K")
    before, chats = files(tmp_path), contents(tmp_path)
    small = sorted((tmp_path / "media").glob("document/*/*"))[:2]
    photo = next((tmp_path / "media").glob("photo/*/*"))
    photo.write_bytes(b"?" * photo.stat().st_size)
    small[0].write_bytes(b"short")
    small[1].unlink()
    exporter.dc.control("reset")
    done = exporter.tgbulk("verify", str(tmp_path), "--repair")
    assert done.returncode == 0, done.stderr
    assert "media that came again: 3" in done.stderr
    calls = exporter.calls()
    assert (calls[GET_FILE], calls["messages.getHistory"]) == (3, 0)
    aside = {path for path in files(tmp_path) if ".damaged-" in path}
    assert len(aside) == 2
    assert {path: data for path, data in files(tmp_path).items() if path not in aside} == before
    assert contents(tmp_path) == chats
    exporter.dc.control("reset")
    exporter.run(tmp_path, "@sim_kinds", "@sim_small", "--media", "all", "--max-size", "100K")
    assert exporter.calls()[GET_FILE] == 0


def test_what_is_lost_for_good_is_named(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_lost", "--media", "all")
    lost, other = sorted((tmp_path / "media").glob("document/*/*.bin"))
    lost.unlink()
    other.unlink()
    exporter.dc.control("set", cdn_rate=1)
    done = exporter.tgbulk("verify", str(tmp_path), "--repair")
    assert (done.returncode, done.stderr.count("Telegram sends it from a CDN")) == (3, 2), done.stderr
    exporter.dc.control("set", cdn_rate=0)
    exporter.dc.control("mutate", chat="sim_lost", delete=[int(lost.stem.rpartition("_")[2])])
    done = exporter.tgbulk("verify", str(tmp_path), "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{lost.name}: the message is gone, or has another medium now" in done.stderr
    assert "media that came again: 1" in done.stderr
    assert (lost.exists(), other.exists()) == (False, True)


def test_events_for_programs(exporter: Exporter, tmp_path: Path) -> None:
    events = exporter.events(tmp_path, "@sim_kinds", "--media", "voice")
    (stated,) = (event for event in events if event["event"] == "media_stated")
    assert stated["files"] >= 1
    assert events[-1]["media"]["files"] == stated["files"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--media", "films"], "'films' is not among none, all, photo"),
        (["--media", ","], "it is empty"),
        (["--media", "none,photo"], "'none' is not among"),
        (["--media", "all", "--max-size", "large"], "'large' is no size"),
        (["--max-size", "5M"], "--max-size needs --media"),
        (["--media", "all", "--media-connections", "9"], "9 is not in the range"),
    ],
)
def test_wrong_words(exporter: Exporter, tmp_path: Path, words: list[str], text: str) -> None:
    assert text in exporter.run(tmp_path, "@sim_kinds", *words, code=2).stderr
