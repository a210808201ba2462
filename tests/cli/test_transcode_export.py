"""`tgbulk export --media --transcode`: videos of the simulated server, real ffmpeg, and every way to be disturbed."""
from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.command import at_home
from support.exporter import Exporter, contents, ended, interrupt, member, members
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.fetch.media.video import DEATHS

pytestmark = pytest.mark.skipif(not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="needs ffmpeg and ffprobe")

CHAT = "@sim_kinds"
VIDEOS = ("--media", "video,round,animation,document", "--transcode", "auto", "--force-cpu-transcode")


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with SimDC() as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def downloaded(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with its files, of which no video is made."""
    archive = tmp_path_factory.mktemp("downloaded") / "archive"
    exporter.run(archive, CHAT, "--media", "video,round,animation,document")
    return archive


@pytest.fixture
def archive(downloaded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(downloaded, tmp_path / "archive")


def videos(archive: Path) -> dict[str, dict[str, Any]]:
    """Rows of videos by the path of their file."""
    database = sqlite3.connect(f"file:{archive}/media.sqlite?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    try:
        found = database.execute("select path, film.* from film join file on number = film.file").fetchall()
        return {row["path"]: dict(row) for row in found}
    finally:
        database.close()


def summary(archive: Path) -> dict[str, Any]:
    newest = max((archive / "runs").glob("*/summary.json"), key=lambda path: path.stat().st_mtime_ns)
    found: dict[str, Any] = json.loads(newest.read_text())["media"]["videos"]
    return found


def files(archive: Path) -> dict[str, tuple[int, str]]:
    """Below media/: when each was last changed, and its SHA-256."""
    root = archive / "media"
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in paths}


def codecs(path: Path) -> list[str]:
    argv = ["ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", "stream=codec_name", str(path)]
    return sorted(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split())


def verify(exporter: Exporter, archive: Path) -> str:
    done = exporter.tgbulk("verify", str(archive))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_does_not_play_everywhere_is_made_anew(exporter: Exporter, downloaded: Path, tmp_path: Path) -> None:
    said = exporter.run(tmp_path, CHAT, *VIDEOS).stderr
    rows = videos(tmp_path)
    (webm,) = [path for path in rows if path.endswith("clip.webm")]
    assert (rows[webm]["outcome"], rows[webm]["action"], rows[webm]["encoder"]) == ("done", "transcode", "libx264")
    output = tmp_path / "media" / rows[webm]["output"]
    assert output.name == Path(webm).stem + ".h264.mp4"
    assert codecs(output) == ["aac", "h264"]
    plain = [path for path in rows if path.endswith("_clip.mp4")]
    assert {rows[path]["outcome"] for path in plain} == {"kept"}
    stated = summary(tmp_path)
    assert stated["encoders"]["libx264"] >= 1
    assert (stated["failed"], stated["waiting"], stated["done"]) == ({}, 0, sum(stated["encoders"].values()))
    assert "videos: " in said
    before, there = files(tmp_path), files(downloaded)
    assert {path: digest for path, (_, digest) in before.items() if path in there} == {
        path: digest for path, (_, digest) in there.items()}
    assert contents(tmp_path) == contents(downloaded)
    verify(exporter, tmp_path)
    exporter.run(tmp_path, CHAT, *VIDEOS)
    again = summary(tmp_path)
    assert (files(tmp_path), again["encoders"], again["done"], again["kept"]) == (before, {}, stated["done"], stated["kept"])


def test_replaced_originals_are_no_loss(exporter: Exporter, archive: Path) -> None:
    exporter.run(archive, CHAT, *VIDEOS, "--replace")
    made = {path: row for path, row in videos(archive).items() if row["outcome"] == "done"}
    assert made
    assert summary(archive)["replaced"] == len(made)
    before = files(archive)
    for path, row in made.items():
        assert path not in before
        assert before[row["output"]][1] == row["output_sha256"].hex()
    assert "does not belong" not in verify(exporter, archive)
    for words in (("--replace",), ()):
        exporter.run(archive, CHAT, *VIDEOS, *words)
        assert (files(archive), summary(archive)["encoders"], summary(archive)["waiting"]) == (before, {}, 0)


def test_a_lost_video_is_made_again(exporter: Exporter, archive: Path) -> None:
    """Where it had taken the original's place, that comes again first."""
    exporter.run(archive, CHAT, *VIDEOS, "--replace")
    (path, row), *_ = [(path, row) for path, row in videos(archive).items() if row["encoder"] == "libx264"]
    (archive / "media" / row["output"]).write_bytes(b"half")
    exporter.dc.control("reset")
    done = exporter.tgbulk("verify", str(archive), "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the next export with --transcode makes it again" in done.stderr
    assert exporter.calls()["upload.getFile"] == 1
    assert path in files(archive)
    exporter.run(archive, CHAT, *VIDEOS, "--replace")
    assert videos(archive)[path]["outcome"] == "done"
    assert path not in files(archive)
    verify(exporter, archive)


def test_without_ffmpeg(exporter: Exporter, archive: Path, tmp_path: Path) -> None:
    before = files(archive)
    (tmp_path / "empty").mkdir()
    nowhere = str(tmp_path / "empty")
    said = exporter.run(archive, CHAT, *VIDEOS, PATH=nowhere, IMAGEIO_FFMPEG_EXE=f"{nowhere}/ffmpeg").stderr
    assert said.count("videos stay as they are: ") == 1
    assert files(archive) == before
    assert summary(archive)["failed"].keys() == {"tool"}
    exporter.run(archive, CHAT, *VIDEOS)
    assert (summary(archive)["failed"], summary(archive)["encoders"]["libx264"] >= 1) == ({}, True)


@pytest.fixture
def stuck(exporter: Exporter, tmp_path: Path) -> tuple[Exporter, Path]:
    """The same with an ffmpeg that never ends a video and minds no SIGTERM, and the program that it runs instead."""
    programs = tmp_path / "programs"
    programs.mkdir()
    sleeper = programs / "sleeper"
    shutil.copy(shutil.which("sleep") or "", sleeper)
    script = programs / "ffmpeg"
    script.write_text(f"""#!/bin/sh
trap '' TERM
case "$*" in *-progress*) exec {sleeper} 600 ;; esac
exec {shutil.which("ffmpeg")} "$@"
""")
    script.chmod(0o755)
    environment = {**exporter.tgbulk.environment, "PATH": f"{programs}:{os.environ['PATH']}"}
    slow = copy.copy(exporter)
    slow.tgbulk = replace(exporter.tgbulk, environment=environment)
    return slow, sleeper


def running(program: Path) -> list[int]:
    return [one.pid for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [""])[0] == str(program)]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_transcode_process_is_followed_by_another(
    exporter: Exporter, stuck: tuple[Exporter, Path], archive: Path
) -> None:
    """The video at which two of them die is given up for this run; all others are made."""
    slow, ffmpeg = stuck
    before = files(archive)
    with ended(slow.start(archive, CHAT, *VIDEOS)) as process:
        for _ in range(DEATHS):
            wait_for(lambda: running(ffmpeg))
            member(process.pid, "transcode").kill()
            wait_for(lambda: not running(ffmpeg))
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert said.count("was killed by signal 9; a new process takes its videos") == DEATHS
    rows = videos(archive)
    (webm,) = [path for path in rows if path.endswith("clip.webm")]
    assert (rows[webm]["outcome"], rows[webm]["failure"]) == ("failed", "crash")
    assert rows[webm]["reason"] == "2 processes ended at this video; the last one was killed by signal 9"
    assert {row["outcome"] for path, row in rows.items() if path != webm} == {"kept"}
    assert (summary(archive)["failed"], summary(archive)["waiting"]) == ({"crash": 1}, 0)
    assert files(archive) == before
    exporter.run(archive, CHAT, *VIDEOS)
    assert (summary(archive)["failed"], videos(archive)[webm]["encoder"]) == ({}, "libx264")
    assert "does not belong" not in verify(exporter, archive)


def test_one_death_is_made_good_for(stuck: tuple[Exporter, Path], archive: Path) -> None:
    slow, ffmpeg = stuck
    with ended(slow.start(archive, CHAT, *VIDEOS)) as process:
        wait_for(lambda: running(ffmpeg))
        (ffmpeg.parent / "ffmpeg").unlink()  # the next process finds the real one
        member(process.pid, "transcode").kill()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    stated = summary(archive)
    assert (stated["failed"], stated["waiting"], stated["encoders"]["libx264"]) == ({}, 0, 1)
    assert "does not belong" not in verify(slow, archive)


def test_nothing_outlives_the_run(stuck: tuple[Exporter, Path], archive: Path) -> None:
    slow, ffmpeg = stuck
    before = files(archive)
    with ended(slow.start(archive, CHAT, *VIDEOS)) as process:
        wait_for(lambda: running(ffmpeg))
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: not running(ffmpeg) and not members(process.pid))
    with ended(slow.start(archive, CHAT, *VIDEOS)) as process:
        wait_for(lambda: running(ffmpeg))
        interrupt(process)
        wait_for(lambda: len(running(ffmpeg)) == 0 or process.poll() is not None)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, running(ffmpeg)) == (-signal.SIGINT, []), said
    assert {path: found for path, found in files(archive).items() if not path.endswith(".part")} == before


def test_a_killed_fetch_process_and_a_second_signal(stuck: tuple[Exporter, Path], archive: Path) -> None:
    slow, ffmpeg = stuck
    with ended(slow.start(archive, CHAT, *VIDEOS)) as process:
        wait_for(lambda: running(ffmpeg))
        first = running(ffmpeg)
        member(process.pid, "fetch").kill()
        wait_for(lambda: set(running(ffmpeg)) - set(first))
        interrupt(process)
        time.sleep(0.3)
        interrupt(process)
        process.communicate(timeout=4)
        wait_for(lambda: not running(ffmpeg))
    assert process.returncode == -signal.SIGINT


def test_options_that_go_together(exporter: Exporter, tmp_path: Path) -> None:
    assert "--transcode needs --media" in exporter.run(tmp_path / "none", CHAT, "--transcode", "auto", code=2).stderr
