"""How fast one account may call which method, kept between runs: what flood waits taught need not be learnt again.

A small document beside the account's session (engine/document.py), written whole. It belongs to one login; a pace inside a
takeout is another than outside. What is damaged, old or makes no sense is not used: the run is then the first one again.
"""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tgbulk.engine import document
from tgbulk.engine.durable import write_whole
from tgbulk.engine.error import StorageError
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.bucket import PROBES
from tgbulk.stages.fetch.session import Session
from tgbulk.stages.fetch.shared_pace import Pace

#: Days after which a limit may be another one: fewer flood waits count as its teachers, and then none.
UNCERTAIN_DAYS = 7
FORGOTTEN_DAYS = 60
DAY_SECONDS = 86400
#: Requests a second, and at once, that nobody is believed to allow.
MOST_RATE = 1000.0
MOST_AT_ONCE = 10_000.0
#: Seconds of the longest wait that is believed.
MOST_PARKED = 2 * DAY_SECONDS
#: Methods kept.
MOST_METHODS = 100


@dataclass(frozen=True, slots=True)
class Remembered:
    """A pace, and the seconds since it was used last."""

    pace: Pace
    idle: float


class Paces:
    """Those of one account: read once, saved when there is anything new."""

    def __init__(self, path: Path, login: bytes) -> None:
        """login: what tells one login from the next. `cold`: why a file that is there was not read."""
        self._path = path
        self._login = login.hex()
        #: name -> (pace, Unix time of its last use)
        self._paces: dict[str, tuple[Pace, int]] = {}
        #: method -> Unix time until which Telegram wants not to be asked
        self._parked: dict[str, int] = {}
        self._dirty = False
        self.cold = self._load()

    def get(self, method: str, takeout: bool) -> Remembered | None:
        """What is known of a method's limit, None where that is nothing or too old."""
        found = self._paces.get(_name(method, takeout))
        if found is None:
            return None
        pace, used = found
        idle = max(0.0, time.time() - used)
        if idle > FORGOTTEN_DAYS * DAY_SECONDS:
            return None
        if idle > UNCERTAIN_DAYS * DAY_SECONDS:
            pace = Pace(pace.rate, pace.allowance, min(pace.lessons, 1), 0)
        return Remembered(pace, idle)

    def keep(self, method: str, takeout: bool, pace: Pace) -> None:
        """Used until now."""
        self._paces[_name(method, takeout)] = pace, int(time.time())
        self._dirty = True

    def park(self, method: str, seconds: int) -> None:
        """Telegram asked for a wait too long to sit out; who asks sooner can make it longer."""
        self._parked[method] = int(time.time()) + seconds
        self._dirty = True

    def parked(self, method: str) -> int:
        """Seconds that are left of such a wait, 0 for none; a clock that was set back does not make it longer."""
        left = self._parked.get(method, 0) - int(time.time())
        return left if 0 < left <= MOST_PARKED else 0

    def save(self) -> None:
        """Write the file, if there is anything new. OSError."""
        if self._dirty:
            rows = {name: asdict(pace) | {"used": used} for name, (pace, used) in self._paces.items()}
            write_whole(self._path, document.dump({"login": self._login, "paces": rows, "parked": self._parked}), mode=0o600)
            self._dirty = False

    def _load(self) -> str:
        try:
            found = document.load(self._path)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return error.strerror or str(error)
        except StorageError:
            return "it is cut short or damaged"
        rows = found.get("paces")
        if found.get("login") == self._login and isinstance(rows, dict) and len(rows) <= MOST_METHODS:
            for name, row in rows.items():
                pace = _pace(row)
                if pace is not None:
                    self._paces[name] = pace
        waits = found.get("parked")
        if found.get("login") == self._login and isinstance(waits, dict) and len(waits) <= MOST_METHODS:
            self._parked = {name: until for name, until in waits.items() if type(until) is int}
        return ""


def open_paces(access: Access, login: bytes, say: Callable[[str], None]) -> Paces:
    """What earlier runs of this login learnt."""
    paces = Paces(Session.of(access.home, access.server, access.account).pace, login)
    if paces.cold:
        say(f"the pace of account {access.account} is not used: {paces.cold}; it is learnt again")
    return paces


def _name(method: str, takeout: bool) -> str:
    return f"{method} in a takeout" if takeout else method


def _pace(row: Any) -> tuple[Pace, int] | None:
    """None for what makes no sense."""
    try:
        rate, allowance = float(row["rate"]), float(row["allowance"])
        lessons, served, used = int(row["lessons"]), int(row["served"]), int(row["used"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not (0 < rate <= MOST_RATE and 0 <= allowance <= MOST_AT_ONCE):
        return None
    return (Pace(rate, allowance, min(lessons, len(PROBES) - 1), served), used) if lessons >= 0 and served >= 0 else None
