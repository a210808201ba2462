"""Each code that a run can end with, as documented. Elsewhere in this folder: 1 test_stopped, 3 test_undecodable, 5 and 7
test_network, 6 and 12 test_damage, 8 test_disk, 11 test_stopped, 13 test_limit."""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.rig import Rig
from tgbulk.engine.error import ExitCode

CODES = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def test_every_code_is_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", CODES.read_text(), re.MULTILINE)
    assert [(int(code), name) for code, name in rows] == [(int(code), code.name.lower()) for code in ExitCode]


@pytest.fixture
def calm(rig: Rig) -> Iterator[Rig]:
    """The server is as it was afterwards."""
    yield rig
    rig.dc.control("set", takeout_delay=0)
    rig.dc.control("flood", method="messages.getHistory")


def test_complete(rig: Rig, archive: Path) -> None:
    assert rig.export(archive, chats=["@sim_small"]).returncode == ExitCode.COMPLETE


@pytest.mark.parametrize(
    "words", [["export", "-o", "ARCHIVE"], ["export", "@sim_small"], ["export", "not a chat", "-o", "ARCHIVE"]]
)
def test_usage(rig: Rig, archive: Path, words: list[str]) -> None:
    done = rig.run(*[str(archive) if word == "ARCHIVE" else word for word in words])
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert not archive.exists()


@pytest.mark.parametrize(("chats", "code"), [
    (["@nobody_here"], ExitCode.NOTHING),
    (["@nobody_here", "@sim_small"], ExitCode.PARTIAL),
])
def test_partial_and_nothing(rig: Rig, archive: Path, chats: list[str], code: ExitCode) -> None:
    done = rig.export(archive, chats=chats)
    assert done.returncode == code, done.stderr
    assert "@nobody_here" in done.stderr


def test_auth(rig: Rig, archive: Path) -> None:
    done = rig.export(archive, "--account", "somebody")
    assert (done.returncode, "tgbulk login" in done.stderr) == (ExitCode.AUTH, True)


def test_delayed(calm: Rig, archive: Path) -> None:
    calm.dc.control("set", takeout_delay=86_400)
    done = calm.export(archive, "--takeout", "yes")
    assert done.returncode == ExitCode.DELAYED, done.stderr
    assert "in 86" in done.stderr


def test_parked(calm: Rig, archive: Path) -> None:
    calm.dc.control("flood", method="messages.getHistory", rate=0.0001, burst=1)
    done = calm.export(archive, chats=["@sim_large"])
    assert done.returncode == ExitCode.PARKED, done.stderr
    calm.dc.control("flood", method="messages.getHistory")
    assert calm.export(archive, chats=["@sim_large"]).returncode == ExitCode.PARKED  # it is not asked again until then
    for path in calm.home.glob("sessions/*/*.pace"):
        path.unlink()
    assert calm.export(archive, chats=["@sim_large"]).returncode == ExitCode.COMPLETE
