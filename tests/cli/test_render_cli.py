"""`tgbulk render` as people call it: what is wrong is one line and an exit code, and nothing is torn."""
from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.command import COMMAND
from support.lines_archive import CHAT, LinesArchive, message, user
from support.tmpfs import SmallDisk
from tgbulk.engine import document
from tgbulk.engine.error import ExitCode

OTHER = -1009999999999


@pytest.fixture
def archive(tmp_path: Path) -> LinesArchive:
    made = LinesArchive(tmp_path / "archive")
    made.put([message(one) for one in range(1, 60)], [user(7, "Anna")], CHAT)
    made.put([message(one) for one in range(1, 9)], [user(7, "Anna")], OTHER)
    return made


def render(*words: str | Path, timeout: float = 90, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, "render", *map(str, words)], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **more})


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(("words", "code", "said"), [
    (["jsonl", "{archive}", "-o", "{archive}"], ExitCode.USAGE, "lies in the archive"),
    (["jsonl", "{archive}", "-o", "{archive}/views"], ExitCode.USAGE, "lies in the archive"),
    (["jsonl", "{archive}", "-o", "{file}"], ExitCode.STORAGE, "it is not a folder"),
    (["jsonl", "{archive}", "-o", "{full}"], ExitCode.STORAGE, "it is not empty, and no render of tgbulk made it"),
    (["jsonl", "{full}", "-o", "{out}"], ExitCode.STORAGE, "there is no archive"),
    (["csv", "{archive}", "-o", "{out}", "--columns", "text,nothing"], ExitCode.USAGE, "there is no column 'nothing'"),
    (["csv", "{archive}", "-o", "{out}", "5"], ExitCode.USAGE, "the archive has no chat 5"),
    (["csv", "{archive}", "-o", "{out}", "--timezone", "Nowhere"], ExitCode.USAGE, "is no time zone"),
    (["csv", "{archive}", "-o", "{out}", "--since", "soon"], ExitCode.USAGE, "is no date"),
])
def test_wrong_input_is_one_clear_line(
    archive: LinesArchive, tmp_path: Path, words: list[str], code: ExitCode, said: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    before = files(archive.root)
    places = {name: str(tmp_path / name) for name in ("archive", "file", "full", "out")}
    done = render(*[word.format(**places) for word in words])
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert files(archive.root) == before
    assert files(tmp_path / "full") == {"mine": b"mine"}
    assert not (tmp_path / "out").exists()


def test_chats_are_chosen_from_all_archives_that_are_rendered(archive: LinesArchive, tmp_path: Path) -> None:
    also = LinesArchive(tmp_path / "also")
    also.put([message(1)], [user(7, "Anna")], -1008888888888, usernames=["there"])
    done = render("jsonl", archive.root, "--also", also.root, "-o", tmp_path / "out", "@there", str(OTHER))
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "out" / "message")) == ["-1008888888888.jsonl", f"{OTHER}.jsonl"]


def test_an_archive_of_a_newer_format_is_refused(archive: LinesArchive, tmp_path: Path) -> None:
    (archive.root / "archive.json").write_bytes(document.dump({"format": 3, "tool": "later"}))
    done = render("sqlite", archive.root, "-o", tmp_path / "out")
    assert done.returncode == ExitCode.STORAGE
    assert "has format 3; this version reads up to format 2" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_format_is_refused(archive: LinesArchive, tmp_path: Path) -> None:
    assert render("csv", archive.root, "-o", tmp_path / "out").returncode == 0
    before = files(tmp_path / "out")
    done = render("jsonl", archive.root, "-o", tmp_path / "out")
    assert (done.returncode, files(tmp_path / "out")) == (ExitCode.STORAGE, before)
    assert "it is a render of the format csv" in done.stderr


def test_a_full_disk_is_said_and_leaves_whole_files(archive: LinesArchive, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with SmallDisk(tmp_path / "disk", "256k") as disk:
        out = disk.path / "out"
        assert render("jsonl", archive.root, "-o", out).returncode == 0
        before = files(out)
        archive.put([message(one, "long " * 100) for one in range(1, 900)], [user(7, "Anna")], CHAT)
        done = render("jsonl", archive.root, "-o", out)
        assert done.returncode == ExitCode.STORAGE
        assert "No space left on device" in done.stderr
        now = files(out)
        assert {name: data for name, data in now.items() if name != "render.json"} == {
            name: data for name, data in before.items() if name != "render.json"}
    assert render("jsonl", archive.root, "-o", tmp_path / "elsewhere").returncode == 0


@pytest.mark.parametrize("pip", [True, False])
def test_parquet_without_pyarrow_names_the_command_that_installs_it(
    archive: LinesArchive, tmp_path: Path, pip: bool
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        f"hidden = {['pyarrow'] if pip else ['pyarrow', 'pip']}\n"
        "importlib.util.find_spec = lambda name, *more: None if name in hidden else found(name, *more)\n"
    )
    done = render("parquet", archive.root, "-o", tmp_path / "out", PYTHONPATH=str(hidden))
    assert done.returncode == ExitCode.USAGE
    assert "Parquet needs pyarrow" in done.stderr
    # Of the environment in which the command ran, whether that is a checkout's or another.
    python = shlex.quote(str(Path(COMMAND).with_name("python")))
    assert "tgbulk[parquet]" in done.stderr
    wanted = f"{python} -m pip install pyarrow" if pip else f"uv pip install --python {python} pyarrow"
    assert done.stderr.rstrip().replace("/python3", "/python").endswith(wanted.replace("/python3", "/python"))


def test_one_damaged_chat_fails_itself(archive: LinesArchive, tmp_path: Path) -> None:
    path = archive.root / "chats" / str(OTHER) / "chat.json"
    path.write_bytes(path.read_bytes().replace(b"A chat", b"B chat"))
    done = render("jsonl", archive.root, "-o", tmp_path / "out")
    assert done.returncode == ExitCode.PARTIAL
    assert f"{OTHER}  failed: " in done.stderr
    assert len((tmp_path / "out" / "message" / f"{CHAT}.jsonl").read_bytes().splitlines()) == 59


def test_a_line_that_is_no_message_fails_its_chat(archive: LinesArchive, tmp_path: Path) -> None:
    archive.put([{"_": "message", "id": 1}], [], OTHER)
    done = render("sqlite", archive.root, "-o", tmp_path / "out")
    assert done.returncode == ExitCode.PARTIAL
    assert f"chat {OTHER} cannot be rendered: KeyError" in done.stderr


def test_holes_are_told(archive: LinesArchive, tmp_path: Path) -> None:
    row = archive.row(CHAT)
    row.quarantined = [archive.ids(20, 25)]
    row.state = "gaps"
    archive.commit(row)
    about = archive.root / "chats" / str(CHAT) / "chat.json"
    about.write_bytes(document.dump(document.load(about) | {"state": "gaps", "quarantined": [[20, 25]]}))
    done = render("jsonl", archive.root, "-o", tmp_path / "out")
    assert done.returncode == 0
    assert "not decodable and kept as they came: ids 20 to 25" in done.stderr
    chats = [json.loads(line) for line in (tmp_path / "out" / "chat.jsonl").read_bytes().splitlines()]
    assert [one["quarantined"] for one in chats if one["id"] == CHAT] == ["[[20,25]]"]


def test_chats_are_added_to_those_that_the_folder_has(archive: LinesArchive, tmp_path: Path) -> None:
    for chat in (CHAT, OTHER):
        assert render("csv", archive.root, str(chat), "-o", tmp_path / "out").returncode == 0
    assert render("csv", archive.root, "-o", tmp_path / "all").returncode == 0
    ours, theirs = files(tmp_path / "out"), files(tmp_path / "all")
    assert {name: data for name, data in ours.items() if name != "render.json"} == {
        name: data for name, data in theirs.items() if name != "render.json"}


@pytest.mark.parametrize("format", ["jsonl", "sqlite", "parquet", "html", "markdown"])
def test_killed_at_any_time_no_half_file_has_its_final_name(tmp_path: Path, format: str) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(one, f"text {one} " * 20) for one in range(1, 9000)], [user(7, "Anna")], CHAT)
    for other in range(1, 20):
        archive.put([message(one) for one in range(1, 40)], [user(7, "Anna")], CHAT - other)
    whole = tmp_path / "whole"
    began = time.monotonic()
    assert render(format, archive.root, "-o", whole, "--workers", "2").returncode == 0
    took = time.monotonic() - began
    good = {name: data for name, data in files(whole).items() if name != "render.json"}
    out = tmp_path / "out"
    for step in range(6):
        process = subprocess.Popen(
            [COMMAND, "render", format, str(archive.root), "-o", str(out), "--workers", "2"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        time.sleep(took * (0.3 + 0.12 * step))
        process.send_signal(signal.SIGINT if step % 3 == 2 else signal.SIGKILL)
        process.wait(30)
        for name, data in files(out).items():
            if not name.startswith("render."):
                assert data == good[name], name
    assert render(format, archive.root, "-o", out, "--workers", "2").returncode == 0
    assert {name: data for name, data in files(out).items() if name != "render.json"} == good


def test_ctrl_c_leaves_nothing_half_there_and_nobody_behind(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(one, f"text {one} " * 20) for one in range(1, 60_000)], [user(7, "Anna")], CHAT)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [COMMAND, "render", "jsonl", str(archive.root), "-o", str(out), "--workers", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )
    until = time.monotonic() + 30
    while not (out / "render.part").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    if process.returncode == 0:
        pytest.skip("it was done before it could be interrupted")
    assert process.returncode == -signal.SIGINT, said  # docs/exit-codes.md
    assert set(files(out)) <= {"render.json"}
    assert not (out / "render.part").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
