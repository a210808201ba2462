"""What was learnt of limits, on disk between runs; and flood waits that never end."""
from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from telethon import errors
from telethon.tl import functions

from support.virtual import virtually
from tgbulk.engine import document
from tgbulk.stages.fetch.caller import PARK_SECONDS, Caller
from tgbulk.stages.fetch.error import FloodParkedError
from tgbulk.stages.fetch.pace import (
    DAY_SECONDS,
    FORGOTTEN_DAYS,
    MOST_AT_ONCE,
    MOST_METHODS,
    MOST_PARKED,
    MOST_RATE,
    UNCERTAIN_DAYS,
    Paces,
    open_paces,
)
from tgbulk.stages.fetch.session import Session
from tgbulk.stages.fetch.shared_pace import Pace

METHOD = "updates.getState"
LEARNT = Pace(9.98, 24.5, 3, 1200)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    paces = Paces(tmp_path / "main.pace", b"login")
    paces.keep(METHOD, False, LEARNT)
    paces.save()
    return tmp_path / "main.pace"


def test_a_wait_too_long_to_sit_out_is_known_to_the_next_run(path: Path) -> None:
    paces = Paces(path, b"login")
    paces.park(METHOD, 3_600)
    paces.park("past", -1)
    paces.park("clock set back", MOST_PARKED + 3_600)
    paces.save()
    again = Paces(path, b"login")
    assert 3_000 < again.parked(METHOD) <= 3_600
    assert [again.parked(method) for method in ("past", "clock set back", "another")] == [0, 0, 0]


def test_it_is_there_in_the_next_run(path: Path) -> None:
    paces = Paces(path, b"login")
    found = paces.get(METHOD, False)
    assert paces.cold == ""
    assert found is not None
    assert found.pace == LEARNT
    assert found.idle < 60
    assert paces.get(METHOD, True) is None
    assert paces.get("messages.getHistory", False) is None
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_belongs_to_one_login(path: Path) -> None:
    paces = Paces(path, b"other")
    assert (paces.get(METHOD, False), paces.cold) == (None, "")


def test_any_damage_makes_it_cold(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        paces = Paces(path, b"login")
        assert (paces.get(METHOD, False), paces.cold) == (None, "it is cut short or damaged")
    path.write_bytes(whole[: len(whole) // 2])
    assert Paces(path, b"login").cold
    path.unlink()
    path.mkdir()
    assert Paces(path, b"login").cold == "it is not a file of its own"


@pytest.mark.parametrize(
    "row",
    [
        {"rate": 0.0}, {"rate": -1.0}, {"rate": 1e9}, {"rate": "fast"}, {"allowance": -1}, {"allowance": 1e300},
        {"lessons": -1}, {"served": None}, {"used": "today"}, {"rate": None},
    ],
)
def test_what_makes_no_sense_is_not_used(path: Path, row: dict[str, Any]) -> None:
    found = document.load(path)
    found["paces"][METHOD] |= row
    path.write_bytes(document.dump(found))
    assert Paces(path, b"login").get(METHOD, False) is None
    nonsense: list[Any] = [7, [], {METHOD: 3}, {METHOD: {}}]
    for rows in nonsense:
        path.write_bytes(document.dump(found | {"paces": rows}))
        assert Paces(path, b"login").get(METHOD, False) is None


def test_it_grows_old(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    paces = Paces(path, b"login")
    monkeypatch.setattr(time, "time", lambda: now + 8 * DAY_SECONDS)
    found = paces.get(METHOD, False)
    assert found is not None
    assert (found.pace.rate, found.pace.lessons) == (LEARNT.rate, 1)
    monkeypatch.setattr(time, "time", lambda: now + 61 * DAY_SECONDS)
    assert paces.get(METHOD, False) is None
    monkeypatch.setattr(time, "time", lambda: now - 8 * DAY_SECONDS)
    found = paces.get(METHOD, False)
    assert found is not None
    assert found.idle == 0


def flooding(seconds: int, asked: list[Any], paces: Paces | None = None) -> Caller:
    """A caller whose server answers every request with this flood wait. No data centre that floods for a quarter of an hour
    can be had in a test: time is virtual here, and so there is no socket."""

    async def send(request: Any) -> None:
        asked.append(request)
        raise errors.FloodWaitError(request, seconds)

    client: Any = SimpleNamespace(_sender=SimpleNamespace(send=send))
    access: Any = SimpleNamespace(server_name="Telegram", account="main")
    return Caller(client, access, lambda *_: None, paces=paces)


@pytest.mark.parametrize("seconds", [0, 1, 30])
def test_flood_waits_without_end_park_the_method(seconds: int) -> None:
    asked: list[Any] = []

    async def main() -> float:
        caller = flooding(seconds, asked)
        with pytest.raises(FloodParkedError, match="before the next updates"):
            await caller.call(functions.updates.GetStateRequest())
        with pytest.raises(FloodParkedError):
            await caller.call(functions.updates.GetStateRequest())
        return asyncio.get_running_loop().time()

    assert PARK_SECONDS / 2 < virtually(main()) < 2 * PARK_SECONDS
    assert len(asked) < 40


def test_a_run_that_is_killed_keeps_what_its_flood_waits_taught(tmp_path: Path) -> None:
    path = tmp_path / "main.pace"

    async def main() -> None:
        caller = flooding(PARK_SECONDS + 1, [], Paces(path, b"login"))
        with pytest.raises(FloodParkedError):
            await caller.call(functions.updates.GetStateRequest())

    virtually(main())
    assert Paces(path, b"login").get(METHOD, False) is not None


@pytest.mark.parametrize(
    ("days", "seconds", "known"),
    [
        (0, 0, LEARNT), (0, 100, LEARNT), (UNCERTAIN_DAYS, 0, LEARNT), (UNCERTAIN_DAYS, 1, Pace(9.98, 24.5, 1, 0)),
        (FORGOTTEN_DAYS, 0, Pace(9.98, 24.5, 1, 0)), (FORGOTTEN_DAYS, 1, None),
    ],
)
def test_how_old_it_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, seconds: int, known: Pace | None
) -> None:
    """To the second; what one flood wait taught, or none, is worth that little still."""
    clock = [1_700_000_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    paces = Paces(tmp_path / "main.pace", b"login")
    paces.keep(METHOD, False, LEARNT)
    paces.keep("guessed", True, Pace(1.0, 5.0, 0, 7))
    clock[0] += days * DAY_SECONDS + seconds
    found, guessed = paces.get(METHOD, False), paces.get("guessed", True)
    assert (found and found.pace) == known
    assert (guessed is None) is (known is None)
    if found is not None and guessed is not None:
        assert (found.idle, guessed.pace.lessons) == (days * DAY_SECONDS + seconds, 0)
    clock[0] = 1_700_000_000.5
    found = paces.get(METHOD, False)
    assert found is not None
    assert found.idle == 0.5


@pytest.mark.parametrize(
    ("seconds", "left"),
    [(1, 1), (0, 0), (-1, 0), (MOST_PARKED - 1, MOST_PARKED - 1), (MOST_PARKED, MOST_PARKED), (MOST_PARKED + 1, 0)],
)
def test_how_long_a_wait_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, left: int) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    paces = Paces(tmp_path / "main.pace", b"login")
    paces.park(METHOD, seconds)
    assert (paces.parked(METHOD), paces.parked("another")) == (left, 0)


def test_it_is_written_when_there_is_anything_new(tmp_path: Path) -> None:
    path = tmp_path / "main.pace"
    paces = Paces(path, b"login")
    paces.save()
    assert (path.exists(), paces.cold) == (False, "")
    for pace in (LEARNT, None):
        if pace is None:
            paces.park(METHOD, 60)
        else:
            paces.keep(METHOD, True, pace)
        paces.save()
        assert path.stat().st_mode & 0o777 == 0o600
        path.unlink()
        paces.save()
        assert not path.exists()
    paces.park("another", 60)
    paces.save()
    again = Paces(path, b"login")
    assert (again.get(METHOD, False), again.get(METHOD, True) is None, again.parked(METHOD) > 0) == (None, False, True)


@pytest.mark.parametrize("login", [b"a", b"z", b""])
def test_another_login_has_nothing_of_it(path: Path, login: bytes) -> None:
    paces = Paces(path, b"login")
    paces.park(METHOD, 600)
    paces.save()
    other = Paces(path, login)
    assert (other.get(METHOD, False), other.parked(METHOD), other.cold) == (None, 0, "")


@pytest.mark.parametrize("rows", [MOST_METHODS, MOST_METHODS + 1])
def test_so_many_methods_are_read(path: Path, rows: int) -> None:
    found = document.load(path)
    row, until = found["paces"][METHOD], int(time.time()) + 600
    many = {str(number): row for number in range(rows)}
    path.write_bytes(document.dump(found | {"paces": many, "parked": dict.fromkeys(many, until)}))
    paces = Paces(path, b"login")
    assert (paces.get("0", False) is not None) is (rows == MOST_METHODS)
    assert (paces.parked("0") > 0) is (rows == MOST_METHODS)
    nonsense: list[Any] = [7, [], {"0": "soon"}, {"0": 1.5}, {"0": True}]
    for waits in nonsense:
        path.write_bytes(document.dump(found | {"parked": waits}))
        paces = Paces(path, b"login")
        assert paces.parked("0") == 0
        assert paces.get(METHOD, False) is not None


@pytest.mark.parametrize(
    ("row", "known"),
    [
        ({"rate": 0.01}, True), ({"rate": MOST_RATE}, True), ({"rate": MOST_RATE + 1}, False), ({"rate": -0.5}, False),
        ({"allowance": 0}, True), ({"allowance": 0.5}, True), ({"allowance": -0.5}, False),
        ({"allowance": MOST_AT_ONCE}, True), ({"allowance": MOST_AT_ONCE + 1}, False),
        ({"lessons": 0}, True), ({"lessons": 99}, True), ({"served": 0}, True),
        ({"served": -1}, False), ({"rate": "nan"}, False), ({"allowance": "inf"}, False), ({"lessons": "many"}, False),
    ],
)
def test_what_is_believed_of_a_row(path: Path, row: dict[str, Any], known: bool) -> None:
    found = document.load(path)
    found["paces"][METHOD] |= row
    path.write_bytes(document.dump(found))
    kept = Paces(path, b"login").get(METHOD, False)
    assert (kept is not None) is known
    if kept is not None:
        assert kept.pace.lessons == min(row.get("lessons", 3), 3)


def test_why_a_pace_is_not_used_is_said(tmp_path: Path) -> None:
    """Once; that there is none yet is not."""
    access: Any = SimpleNamespace(home=tmp_path, server=None, account="main")
    told: list[str] = []
    paces = open_paces(access, b"login", told.append)
    assert told == []
    file = Session.of(tmp_path, None, "main").pace
    file.parent.mkdir(parents=True)
    paces.park(METHOD, 60)
    paces.save()
    assert open_paces(access, b"login", told.append).parked(METHOD) > 0
    assert told == []
    file.write_bytes(b"nothing")
    assert open_paces(access, b"login", told.append).parked(METHOD) == 0
    assert told == ["the pace of account main is not used: it is cut short or damaged; it is learnt again"]
