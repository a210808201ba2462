"""Paths that the system refuses, at every command that takes one: exit code 8 or 2, the path, and no traceback.

All commands run in one process, each in a fork of it: the rule is one, and starting them costs more than they do. Root's
right to read and write everything is given up before.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.lines_archive import CHAT, LinesArchive

#: Without the capabilities to pass by modes, runs each of the commands (standard input, JSON) in a fork, and tells
#: [exit code, what it said] of each.
RUNNER = """
import ctypes, json, os, sys, tempfile
libc = ctypes.CDLL(None, use_errno=True)
head, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(head, sets) == 0
for number in range(3):
    sets[number] &= ~sum(1 << right for right in (1, 2))
assert libc.capset(head, sets) == 0
import gc, importlib
from tgbulk.cli.main import COMMANDS, main
for module, _, _ in COMMANDS.values():
    importlib.import_module(module)
from tgbulk.stages.render import jsonl, rendering
from tgbulk.stages.render.html import site
gc.freeze()
told = []
for words in json.load(sys.stdin):
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            try:
                main(words, prog_name="tgbulk")
            except SystemExit as end:
                sys.stdout.flush()
                os._exit(end.code or 0)
            finally:
                os._exit(99)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        told.append([code, said.read().decode()])
json.dump(told, sys.stdout)
"""


def run(home: Path, commands: list[list[str]]) -> list[tuple[int, str]]:
    environment = {
        **os.environ, "TGBULK_HOME": str(home), "HOME": str(home), "TELEGRAM_API_ID": "1", "TELEGRAM_API_HASH": "0" * 32,
    }
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=json.dumps(commands), capture_output=True, text=True, cwd=home,
        env=environment, timeout=600, check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(code, said) for code, said in json.loads(done.stdout)]


def commands(path: str, good: str, spare: str) -> list[list[str]]:
    """Each that takes a path, with this one in its place. `good`: an archive; `spare`: a folder that can be made."""
    return [
        ["export", path, "--again"], ["export", "--job", path],
        ["export", "--chats-file", path, "-o", spare], ["status", path], ["verify", path],
        *(["render", form, path, "-o", spare] for form in ("jsonl", "html")),
        *(["render", form, good, "-o", path] for form in ("jsonl", "html")),
        ["merge", path, "-o", spare], ["merge", good, "-o", path],
        ["push", path, str(CHAT), "--store", f"file://{spare}"], ["push", good, str(CHAT), "--store", f"file://{path}"],
        ["pull", str(CHAT), "-o", path, "--store", f"file://{spare}"], ["pull", str(CHAT), "-o", spare, "--store", f"file://{path}"],
        ["store", "check", f"file://{path}"], ["store", "prune", f"file://{path}"],
        ["login", "--password-file", path], ["login", "--server", path],
    ]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """What is wrong -> a path that is."""
    (tmp_path / "file").write_text("none of ours\n")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("good", "closed"):
        LinesArchive(tmp_path / name).put([], [])
    (tmp_path / "closed").chmod(0)
    (tmp_path / "still").mkdir()
    (tmp_path / "still").chmod(0o500)
    return {
        "a file": tmp_path / "file", "below a file": tmp_path / "file" / "x", "long": tmp_path / ("n" * 300),
        "a circle of links": tmp_path / "loop", "closed": tmp_path / "closed",
        "new in a folder that is read-only": tmp_path / "still" / "x",
    }


def test_paths_that_the_system_refuses(places: dict[str, Path], tmp_path: Path) -> None:
    good, new = str(tmp_path / "good"), str(tmp_path / "new")
    asked = [(why, path, words) for why, path in places.items() for words in commands(str(path), good, new)]
    for (why, path, words), (code, said) in zip(asked, run(tmp_path, [words for *_, words in asked]), strict=True):
        assert code in (2, 3, 7, 8), (why, words, code, said)
        assert "Traceback" not in said
        assert "internal error" not in said
        assert str(path) in said or f"{path.parent}: " in said, (why, words, said)
        if why == "closed":
            assert "there is no archive" not in said, words
