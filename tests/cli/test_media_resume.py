"""Media that were cut short, killed, spoilt or lost on this side: the next run, or a repair, sets them right."""
from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from support.exporter import Exporter, contents, ended, member, members
from support.medium import BIG, GET_FILE, check, files, summary


@pytest.fixture
def exporter(media_exporter: Exporter) -> Exporter:
    return media_exporter


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


def test_an_index_that_is_no_index(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path, "@sim_trio", "--media", "all")
    (tmp_path / "media.sqlite").write_bytes(b"not SQLite" * 1000)
    done = exporter.run(tmp_path, "@sim_trio", "--media", "all", code=8)
    assert "media.sqlite is damaged" in done.stderr
    assert "Delete it" in done.stderr


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
