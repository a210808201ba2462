"""`tgbulk push`, `pull` and `store`, as people call them."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.careless_store import careless_store
from support.command import COMMAND
from support.s3 import CREDENTIALS
from support.written_archive import WrittenArchive, text, user
from tgbulk.stages.archive.committed import PUBLIC
from tgbulk.stages.fleet.head import claim_chat
from tgbulk.stages.fleet.store import ObjectStore

CHAT = -1000000000005
PATIENCE = 60.0


def tgbulk(home: Path, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, words)], env=environment(home) | variables, cwd=home, capture_output=True, text=True,
        timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False,
    )


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TGBULK_HOME": str(home), "LC_ALL": "C.UTF-8"}


@pytest.fixture
def archive(tmp_path: Path) -> WrittenArchive:
    made = WrittenArchive(tmp_path / "archive")
    made.chat(CHAT, [text(1, "public")], [user(1)])
    made.chat(7, [text(1, "private")], [user(7)], type="private")
    return made


def test_there_and_back_again(archive: WrittenArchive, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/store"
    done = tgbulk(tmp_path, "push", archive.root, "--store", url)
    assert (done.returncode, done.stdout) == (0, "")
    assert "2 chats published, 0 unchanged: 4 objects" in done.stderr
    again = tgbulk(tmp_path, "push", archive.root, "--json", TGBULK_STORE=url)
    assert json.loads(again.stdout) == {
        "published": 0, "unchanged": 2, "objects": 0, "bytes": 0, "failed": {}, "damaged": []
    }
    back = tgbulk(tmp_path, "pull", "-o", "back", "--store", url, "--json")
    assert [json.loads(line)["chat"] for line in back.stdout.splitlines()] == [CHAT, 7]
    lines = Path("chats", str(CHAT), "messages.jsonl")
    assert (tmp_path / "back" / lines).read_bytes() == (archive.root / lines).read_bytes()
    alone = tgbulk(tmp_path, "pull", 7, "-o", "alone", "--store", url)
    assert alone.stderr == "1 chat pulled, 0 unchanged: alone\n"
    assert (alone.returncode, os.listdir(tmp_path / "alone" / "chats")) == (0, ["7"])
    pruned = tgbulk(tmp_path, "store", "prune", url)
    assert "0 states and 0 objects removed" in pruned.stderr


@pytest.mark.parametrize(("words", "said"), [
    (["push", "archive"], "which store?"),
    (["pull", "-o", "x", "--store", "ftp://x/y"], "is no URL of a store"),
    (["pull", "-o", "x", "--claim", "--store", "file:///tmp"], "--claim wants to know which CHATS"),
    (["pull", "-o", "x", "--space", "me", "--store", "file:///tmp"], "--space is the id of an account"),
])
def test_wrong_words(tmp_path: Path, words: list[str], said: str) -> None:
    done = tgbulk(tmp_path, *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def test_a_store_that_overwrites_silently_is_exit_code_8(archive: WrittenArchive, tmp_path: Path) -> None:
    with careless_store() as endpoint:
        variables = CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
        pushed = tgbulk(tmp_path, "push", archive.root, "--store", "s3://any/x", **variables)
    assert pushed.returncode == 8
    assert "If-None-Match: * is ignored" in pushed.stderr


def test_check_says_what_it_tried(tmp_path: Path) -> None:
    done = tgbulk(tmp_path, "store", "check", f"file://{tmp_path}/store")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ok"] * 4


def test_a_chat_that_another_claimed_is_exit_code_75(archive: WrittenArchive, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/store"
    mine = json.loads(tgbulk(tmp_path, "pull", CHAT, "--claim", "-o", "mine", "--store", url, "--json").stdout)
    assert mine == {"chat": CHAT, "space": PUBLIC, "pulled": False, "epoch": 1}
    assert tgbulk(tmp_path, "push", archive.root, CHAT, "--epoch", 1, "--store", url).returncode == 0
    claim_chat(ObjectStore(url), PUBLIC, CHAT)
    lost = tgbulk(tmp_path, "push", archive.root, CHAT, "--epoch", 1, "--store", url)
    assert lost.returncode == 75
    assert "writes it now" in lost.stderr


@contextmanager
def publishing(archive: WrittenArchive, store: ObjectStore, home: Path) -> Iterator[subprocess.Popen[str]]:
    """`tgbulk push --every`, once it has published something."""
    process = subprocess.Popen(
        [COMMAND, "push", str(archive.root), "--store", store.url, "--every", "0.1"], env=environment(home),
        cwd=home, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    try:
        until = time.monotonic() + PATIENCE
        while PUBLIC not in store.names():
            assert time.monotonic() < until
            time.sleep(0.05)
        yield process
    finally:
        process.kill()


def test_every_goes_on_until_it_is_told_and_then_publishes_once_more(archive: WrittenArchive, tmp_path: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}/store", make=True)
    with publishing(archive, store, tmp_path) as process:
        archive.chat(CHAT, [text(1, "public"), text(2, "later")], [user(1)])
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    done = tgbulk(tmp_path, "push", archive.root, "--store", store.url, "--json")
    assert json.loads(done.stdout)["unchanged"] == 2


def test_every_ends_when_the_archive_is_gone(archive: WrittenArchive, tmp_path: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}/store", make=True)
    with publishing(archive, store, tmp_path) as process:
        archive.root.rename(tmp_path / "moved")
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 8, said
    assert f"{archive.root}: the archive is gone" in said
    assert "tgbulk pull" in said
