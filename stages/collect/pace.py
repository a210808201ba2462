"""How fast each stage goes now: what it did between two looks."""
from __future__ import annotations

from dataclasses import dataclass

from tgbulk.stages.collect.status import StageStatus, Status
from tgbulk.stages.collect.tally import Tally

#: stage -> the spans in which it works, and those in which it waits
_WORK = {"fetch": ("request",), "process": ("work",), "write": ("block", "commit"), "transcode": ("job",)}
_WAIT = {"process": ("upstream", "downstream"), "write": ("upstream",), "transcode": ("upstream",)}
#: The same for fetch, whose waiting is kept in numbers.
_FETCH_WAIT = {"limit": "limit_seconds", "answers": "window_seconds"}


@dataclass(slots=True)
class Reading:
    """Cumulative; the difference of two is a pace."""

    units: float
    busy: float
    cpu: float
    #: seconds that its processes were there
    lived: float
    waits: dict[str, float]


class PaceMeter:
    """Remembers the last look."""

    def __init__(self) -> None:
        self._before: dict[str, Reading] = {}
        self._messages = 0.0
        self._at = 0.0

    def status(self, tally: Tally) -> Status:
        """What went on since the last call."""
        stages = [row for stage in _WORK if tally.of(stage) and (row := self._row(stage, tally)) is not None]
        messages, at = tally.number("write", "messages"), max((s.at for s in tally.of("write")), default=0.0)
        rate = (messages - self._messages) / (at - self._at) if self._at and at > self._at else 0.0
        self._messages, self._at = messages, at
        return Status(
            stages,
            rate,
            int(tally.number("fetch", "flying")),
            int(tally.number("fetch", "slots")),
            int(tally.number("fetch", "floods")),
            tally.number("fetch", "flood_seconds"),
        )

    def _row(self, stage: str, tally: Tally) -> StageStatus | None:
        now = _read(stage, tally)
        before = self._before.get(stage)
        self._before[stage] = now
        if before is None or now.lived <= before.lived:
            return None
        lived = now.lived - before.lived
        waits = {name: seconds - before.waits.get(name, 0.0) for name, seconds in now.waits.items()}
        longest = max(waits, key=lambda name: waits[name], default="")
        share = waits.get(longest, 0.0) / lived
        processes = max(1, sum(not one.last for one in tally.of(stage)))
        return StageStatus(
            stage,
            (now.units - before.units) / lived * processes,
            min(1.0, max(0.0, (now.busy - before.busy) / lived)),
            (now.cpu - before.cpu) / lived * processes,
            longest if share >= 0.05 else "",
            min(1.0, share),
        )


def _read(stage: str, tally: Tally) -> Reading:
    work = _WORK[stage]
    waits = {name: tally.seconds(stage, name) for name in _WAIT.get(stage, ())}
    busy = sum(tally.seconds(stage, name) for name in work)
    if stage == "fetch":
        waits = {name: tally.number(stage, number) for name, number in _FETCH_WAIT.items()}
        busy = tally.cpu(stage)  # its requests overlap; the event loop is what can be busy
    return Reading(tally.histogram(stage, work[0]).count, busy, tally.cpu(stage), tally.lived(stage), waits)
