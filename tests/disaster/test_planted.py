"""Archives that somebody else prepared: whatever is planted in them, nothing outside is read, written, moved or deleted."""
from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from support.rig import Rig

#: A chat with photos, documents and videos, and one without.
CHATS = ("@sim_kinds", "@sim_small")
SMALL = "-1003000000003"


@pytest.fixture(scope="module")
def whole(shared: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("planted") / "archive"
    done = shared.export(archive, "--media", "all", chats=CHATS)
    assert done.returncode == 0, done.stderr
    return archive


def chat_links(archive: Path, outside: Path) -> None:
    """A chat's folder, those of its parts, of what cannot be decoded and of runs are links."""
    shutil.rmtree(archive / "chats" / SMALL)
    (archive / "chats" / SMALL).symlink_to(outside)
    other = next(path for path in (archive / "chats").iterdir() if path.name != SMALL)
    (other / "segments").symlink_to(outside)
    (archive / "quarantine").symlink_to(outside)
    shutil.rmtree(archive / "runs")
    (archive / "runs").symlink_to(outside)


def media_links(archive: Path, outside: Path) -> None:
    """Files, their parts, their outputs and a folder of media are links."""
    files = sorted(path for path in archive.glob("media/*/*/*") if path.is_file())
    for number, path in enumerate(files):
        place = (path, path.with_name(path.name + ".part"), path.with_name(f"{path.stem}.h264.mp4"))[number % 3]
        if place == path.with_name(path.name + ".part"):
            path.unlink()
        place.unlink(missing_ok=True)
        place.symlink_to(outside / "victim")
    folder = files[-1].parent
    shutil.rmtree(folder)
    folder.symlink_to(outside)


def index_paths(archive: Path, outside: Path) -> None:
    """The index names files outside, with and without its checksum."""
    database = sqlite3.connect(archive / "media.sqlite")
    with database:
        paths = ["../../outside/victim", str(outside / "victim"), "../chats", "video/../../../outside/victim", "", "."]
        for number, path in enumerate(paths):
            row = "(select number from file where state = 'done' order by number limit 1 offset ?)"
            database.execute(f"update file set path = ?, size = 5 where number = {row}", (path, number))
    database.close()


@pytest.mark.parametrize("plant", [chat_links, media_links, index_paths])
def test_nothing_outside_is_touched(rig: Rig, tmp_path: Path, whole: Path, plant: Callable[[Path, Path], None]) -> None:
    archive, outside = tmp_path / "archive", tmp_path / "outside"
    shutil.copytree(whole, archive)
    outside.mkdir()
    for name in ("victim", "victim.part", "1.jsonl", f"{SMALL}-1-5.tl", "messages.jsonl", "chat.json"):
        (outside / name).write_text(f"{name} of somebody else")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in outside.iterdir()}
    plant(archive, outside)
    for words in (
        ("verify", "--repair", archive), ("export", *CHATS, "-o", archive, "--media", "all", "--transcode", "always"),
        ("verify", archive),
    ):
        done = rig.run(*words)
        assert done.returncode in (0, 3, 8, 12), (words, done.returncode, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in outside.iterdir()} == before, words


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("lock", {"export": 8, "status": 8, "verify": 8, "render": 0}),
        ("journal", {"export": 8, "status": 8, "verify": 12, "render": 8}),
        ("media.sqlite", {"export": 8, "status": 0, "verify": 12, "render": 8}),
        (f"chats/{SMALL}/messages.jsonl", {"export": 3, "status": 0, "verify": 12, "render": 3}),
    ],
)
def test_nobody_waits_at_a_pipe(rig: Rig, tmp_path: Path, whole: Path, name: str, codes: dict[str, int]) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(whole, archive)
    (archive / name).unlink(missing_ok=True)
    os.mkfifo(archive / name)
    words = {
        "export": ("export", *CHATS, "-o", archive, "--media", "photo"), "status": ("status", archive),
        "verify": ("verify", archive), "render": ("render", "jsonl", archive, "-o", tmp_path / "rendered"),
    }
    for command, code in codes.items():
        done = rig.run(*words[command])
        assert (command, done.returncode) == (command, code), done.stderr
        assert "internal error" not in done.stderr
        if code:
            assert "not a file of its own" in done.stdout + done.stderr or "is a link" in done.stderr, done.stderr


@pytest.mark.parametrize("name", ["chats", f"chats/{SMALL}", "journal", "archive.json", f"chats/{SMALL}/chat.json"])
def test_a_file_for_a_folder_and_a_folder_for_a_file_are_named(rig: Rig, tmp_path: Path, whole: Path, name: str) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(whole, archive)
    path = archive / name
    if path.is_dir():
        shutil.rmtree(path)
        path.touch()
    else:
        path.unlink()
        path.mkdir()
    for words in (("verify", archive), ("status", archive), ("render", "jsonl", archive, "-o", tmp_path / "rendered")):
        done = rig.run(*words)
        assert "internal error" not in done.stderr
        assert done.returncode in (0, 3, 4, 8, 12), (words, done.returncode, done.stderr)
        assert words[0] != "verify" or (done.returncode in (8, 12) and name in done.stdout + done.stderr)
    done = rig.run("export", *CHATS, "-o", archive)
    assert done.returncode in (3, 8), done.stderr
    assert "internal error" not in done.stderr
