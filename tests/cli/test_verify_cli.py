"""`tgbulk verify` on archives that the real command made: what it finds, what it costs nothing, what it repairs."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from support.exporter import HISTORY, Exporter, chat_json, contents, lines
from tgbulk.engine import document
from tgbulk.engine.error import ExitCode
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.row import read_journal
from tgbulk.stages.verify.repair import HOLES

BUSY, OLD_HALF, NEW_HALF, CHANGING = -1001500000001, -300000001, -1001500000002, "@sim_changing"
NAMES = (str(BUSY), str(NEW_HALF), "@sim_unjoined", "me", CHANGING)


@pytest.fixture(scope="module")
def whole(_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    _exporter.calm()
    root = tmp_path_factory.mktemp("verify") / "archive"
    _exporter.run(root, *NAMES)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def verify(
    exporter: Exporter, root: Path, *words: object, code: ExitCode = ExitCode.COMPLETE, **variables: str
) -> subprocess.CompletedProcess[str]:
    done = exporter.tgbulk("verify", str(root), *map(str, words), **variables)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def reports(done: subprocess.CompletedProcess[str]) -> dict[int | None, dict[str, Any]]:
    """What --json says, by marked id."""
    return {one["id"]: one for one in map(json.loads, done.stdout.splitlines())}


def stamps(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def changing(root: Path) -> int:
    """The marked id of the chat that tests may change at the server."""
    return next(i for i in map(int, os.listdir(root / "chats")) if chat_json(root, i).get("named") == CHANGING)


def test_a_whole_archive(exporter: Exporter, root: Path) -> None:
    before = contents(root), stamps(root)
    done = verify(exporter, root)
    assert (contents(root), stamps(root)) == before
    assert len(done.stdout.splitlines()) == len(NAMES) + 1
    assert all(line.startswith("whole ") for line in done.stdout.splitlines())
    assert done.stderr == f"{len(NAMES) + 1} chats: {len(NAMES) + 1} whole\n"
    assert not (root / "lock").exists()


def test_the_statement_is_the_truth(exporter: Exporter, root: Path, tmp_path: Path) -> None:
    truth = exporter.truth(tmp_path / "truth", [BUSY, OLD_HALF])
    found = reports(verify(exporter, root, BUSY, OLD_HALF, "--json"))
    assert list(found) == [None, BUSY, OLD_HALF]
    for chat in (BUSY, OLD_HALF):
        true = json.loads((truth / f"{chat}.json").read_bytes())
        said = found[chat]["statement"]
        assert said == chat_json(root, chat)["statement"]
        assert (said["count"], said["empty"], said["withheld"]) == (
            true["count"], len(true["empty"]), len(true["withheld"]),
        )
        assert said["messages"] == len(lines(root, chat)) == found[chat]["messages"]
        assert (said["filtered"], said["missing"], said["surplus"]) == ([], [], 0)


def test_the_summary_has_every_statement(root: Path) -> None:
    summary = document.load(next((root / "runs").glob("*/summary.json")))
    assert summary["journal_bytes"] == (root / "journal").stat().st_size
    for chat in summary["complete"]:
        assert chat["statement"] == chat_json(root, chat["marked_id"])["statement"]


def test_it_needs_no_account_and_no_settings(exporter: Exporter, root: Path, tmp_path: Path) -> None:
    verify(exporter, root, TGBULK_SERVER="", TGBULK_HOME=str(tmp_path / "nothing"))


def edit_messages(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        path = root / "chats" / str(BUSY) / "messages.jsonl"
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return apply


def flip(name: str) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        path = root / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)

    return apply


def cut(name: str) -> Callable[[Path], None]:
    return lambda root: os.truncate(root / name, (root / name).stat().st_size // 2)


def remove(name: str) -> Callable[[Path], None]:
    return lambda root: shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


def remove_peer(root: Path) -> None:
    path = root / "chats" / str(BUSY) / "peers.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(edit_messages(lambda lines: lines[:500] + lines[501:]), "{fewer:,} messages", id="a removed line"),
        pytest.param(edit_messages(lambda lines: lines[:500] + lines[499:]), "again", id="a doubled line"),
        pytest.param(
            edit_messages(lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]]), ", after ", id="a swapped pair"
        ),
        pytest.param(flip(f"chats/{BUSY}/messages.jsonl"), "do not have their checksum", id="a flipped byte in messages"),
        pytest.param(flip(f"chats/{BUSY}/peers.jsonl"), "peers.jsonl: its lines", id="a flipped byte in peers"),
        pytest.param(flip(f"chats/{BUSY}/chat.json"), "chat.json: it ", id="a flipped byte in chat.json"),
        pytest.param(flip("archive.json"), "archive.json: it ", id="a flipped byte in archive.json"),
        pytest.param(flip("journal"), "journal: ", id="a flipped byte in the journal"),
        pytest.param(remove_peer, "peers.jsonl: it has ", id="a missing peer"),
        pytest.param(cut(f"chats/{BUSY}/messages.jsonl"), "messages.jsonl: it has ", id="cut messages"),
        pytest.param(cut("journal"), "journal: ", id="a cut journal"),
        pytest.param(remove("journal"), "the journal has nothing of this chat", id="no journal"),
        pytest.param(remove(f"chats/{BUSY}"), f"chats/{BUSY}: it is missing", id="no folder"),
        pytest.param(remove("chats"), f"chats/{OLD_HALF}: it is missing", id="no chats"),
    ],
)
def test_damage_is_found_and_named(exporter: Exporter, root: Path, spoil: Callable[[Path], None], said: str) -> None:
    fewer = len(lines(root, BUSY)) - 1
    spoil(root)
    done = verify(exporter, root, code=ExitCode.DAMAGED)
    assert said.format(fewer=fewer) in done.stdout
    assert verify(exporter, root, code=ExitCode.DAMAGED).stdout == done.stdout


def test_wrong_input(exporter: Exporter, root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "there is no archive" in verify(exporter, tmp_path / "empty", code=ExitCode.STORAGE).stderr
    assert os.listdir(tmp_path / "empty") == []
    assert "there is no archive" in verify(exporter, tmp_path / "nowhere", code=ExitCode.STORAGE).stderr
    assert "no chat 77" in verify(exporter, root, 77, code=ExitCode.USAGE).stderr
    assert "the archive has no such chat" in verify(exporter, root, "@durov", code=ExitCode.USAGE).stderr
    assert "--frobnicate" in verify(exporter, root, "--frobnicate", code=ExitCode.USAGE).stderr


def test_not_while_a_run_is_going_on(exporter: Exporter, root: Path) -> None:
    with Archive(root).open():
        done = verify(exporter, root, code=ExitCode.LOCKED)
        assert f"is in use by process {os.getpid()}" in done.stderr
    verify(exporter, root)


def test_a_repair_moves_aside_and_exports_only_what_is_damaged(exporter: Exporter, root: Path) -> None:
    before = contents(root)
    flip(f"chats/{BUSY}/messages.jsonl")(root)
    exporter.calm()
    done = verify(exporter, root, "--repair")
    assert f"chat {BUSY}: moved to" in done.stderr
    assert exporter.calls()[HISTORY] <= 25
    aside = next((root / "chats").glob(f"{BUSY}.damaged-*"))
    assert len((aside / "messages.jsonl").read_bytes()) == len(before[f"chats/{BUSY}/messages.jsonl"])
    assert f"{aside.name}: `tgbulk verify --repair` moved it aside" in verify(exporter, root).stdout
    shutil.rmtree(aside)
    same = {name for name, data in contents(root).items() if before[name] == data}
    assert before.keys() - same <= {f"chats/{BUSY}/{name}" for name in ("chat.json", "peers.jsonl")}
    verify(exporter, root)
    exporter.calm()
    verify(exporter, root, "--repair")
    assert not exporter.calls()


def test_what_depends_on_the_account_is_no_change(exporter: Exporter, root: Path) -> None:
    done = verify(exporter, root, str(BUSY), "--against-server", "--account", "second")
    assert "changed at the server" not in done.stdout


def test_a_repair_that_cannot_begin_moves_nothing(exporter: Exporter, root: Path, tmp_path: Path) -> None:
    flip(f"chats/{BUSY}/peers.jsonl")(root)
    before = contents(root)
    verify(exporter, root, "--repair", code=ExitCode.AUTH, TGBULK_HOME=str(tmp_path / "nothing"))
    assert contents(root) == before


def test_the_server_agrees(exporter: Exporter, root: Path) -> None:
    exporter.calm()
    chats = [int(name) for name in os.listdir(root / "chats") if int(name) != BUSY]
    done = verify(exporter, root, *chats, "--against-server")
    assert "note" not in done.stdout
    assert exporter.calls()[HISTORY] == len(chats)


def test_a_chat_that_withholds_is_walked_again(exporter: Exporter, root: Path) -> None:
    exporter.calm()
    done = verify(exporter, root, BUSY, "--against-server")
    assert "note" not in done.stdout
    assert exporter.calls()[HISTORY] > 10


def test_what_the_server_lost_or_changed_since_is_no_damage(exporter: Exporter, root: Path) -> None:
    chat = changing(root)
    ids = [line["id"] for line in lines(root, chat) if line["_"] == "message"]
    made = exporter.dc.control("mutate", chat="sim_changing", insert=2, delete=[ids[5], ids[900]], edit=1)
    exporter.calm()
    found = reports(verify(exporter, root, "--against-server", "--json"))
    texts = [one["text"] for one in found[chat]["findings"]]
    assert texts == [
        f"2 messages (ids {ids[5]}, {ids[900]}): deleted at the server since",
        f"message {made['edit'][0]}: changed at the server since",
    ]
    assert found[chat]["verdict"] == "whole"
    assert not list(root.glob("verify-*"))


def punch(root: Path, chat: int, gone: set[int]) -> None:
    """Take messages out so that everything on disk still agrees: a hole that only the server can show."""
    archive = Archive(root)
    row = read_journal(archive).chats[chat]
    path = archive.chat(chat).messages
    kept = b"".join(line for line in path.read_bytes().splitlines(keepends=True) if json.loads(line)["id"] not in gone)
    path.path.write_bytes(kept)
    row.messages -= len(gone)
    row.ranges[0].size, row.ranges[0].crc = len(kept), crc32(kept)
    journal = Journal(archive.journal, lambda _: None)
    journal.append([row.pack()])
    journal.close()
    about = document.load(archive.chat(chat).about)
    about["messages"] = about["statement"]["messages"] = row.messages
    archive.chat(chat).about.path.write_bytes(document.dump(about))


def test_a_hole_is_found_at_the_server_and_filled(exporter: Exporter, root: Path) -> None:
    ids = [line["id"] for line in lines(root, NEW_HALF) if line["_"] == "message"]
    before = (root / f"chats/{NEW_HALF}/messages.jsonl").read_bytes()
    same = contents(root)
    punch(root, NEW_HALF, {ids[100], ids[3]})
    verify(exporter, root, NEW_HALF)
    found = reports(verify(exporter, root, NEW_HALF, "--against-server", "--json", code=ExitCode.PARTIAL))
    assert [one["text"] for one in found[NEW_HALF]["findings"]] == [
        f"2 messages (ids {ids[3]}, {ids[100]}): the server has them, the archive has not"
    ]
    assert found[NEW_HALF]["verdict"] == "unfinished"
    exporter.calm()
    verify(exporter, root, NEW_HALF, "--against-server", code=ExitCode.PARTIAL)
    asked = exporter.calls()[HISTORY]
    exporter.calm()
    done = verify(exporter, root, NEW_HALF, "--against-server", "--repair")
    assert "moved to" not in done.stderr
    assert exporter.calls()[HISTORY] <= asked + 6
    assert (root / f"chats/{NEW_HALF}/messages.jsonl").read_bytes() == before
    assert contents(root).keys() == same.keys()
    verify(exporter, root)


def test_a_chat_full_of_holes_is_exported_again(exporter: Exporter, root: Path) -> None:
    ids = [line["id"] for line in lines(root, NEW_HALF) if line["_"] == "message"]
    before = (root / f"chats/{NEW_HALF}/messages.jsonl").read_bytes()
    punch(root, NEW_HALF, set(ids[: 2 * HOLES + 2 : 2]))
    done = verify(exporter, root, NEW_HALF, "--against-server", "--repair")
    assert f"chat {NEW_HALF}: moved to" in done.stderr
    assert (root / f"chats/{NEW_HALF}/messages.jsonl").read_bytes() == before


def test_a_chat_that_cannot_be_asked_for_is_said_to_be_unknown(exporter: Exporter, root: Path) -> None:
    done = verify(exporter, root, "--against-server", "--account", "second", code=ExitCode.PARTIAL)
    assert "it could not be compared" in done.stdout


def test_the_documentation_reads_an_archive(root: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "archive.md").read_text()
    source = page.split("```python\n")[1].split("```")[0]
    (root.parent / "archive").symlink_to(root)
    done = subprocess.run([sys.executable, "-c", source], cwd=root.parent, capture_output=True, text=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) >= sum(len(lines(root, chat)) for chat in map(int, os.listdir(root / "chats")))


def test_the_documentation_names_every_field(root: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "archive.md").read_text()
    summary = document.load(next((root / "runs").glob("*/summary.json")))
    for made in (chat_json(root, BUSY), chat_json(root, OLD_HALF), chat_json(root, BUSY)["statement"], summary):
        assert [name for name in made if f"`{name}`" not in page] == []
