"""The newest snapshot of each process, and what they come to for each stage."""
from __future__ import annotations

from collections import defaultdict

from tgbulk.engine.histogram import Histogram
from tgbulk.engine.metric import Snapshot


class Tally:
    """A stage is a process, or all whose names differ only in a number: process-0, process-1."""

    def __init__(self) -> None:
        self.processes: dict[str, Snapshot] = {}

    def take(self, snapshot: Snapshot) -> None:
        self.processes[snapshot.process] = snapshot

    def of(self, stage: str) -> list[Snapshot]:
        return [one for name, one in list(self.processes.items()) if stage_of(name) == stage]

    def labelled(self, stage: str, name: str) -> dict[str, Histogram]:
        """The histogram of this name, by label, of all processes of the stage together."""
        found: dict[str, Histogram] = defaultdict(Histogram)
        for snapshot in self.of(stage):
            for one in snapshot.distributions:
                if one.name == name:
                    found[one.label].merge(one.histogram)
        return dict(found)

    def histogram(self, stage: str, name: str) -> Histogram:
        """The same over all labels."""
        whole = Histogram()
        for one in self.labelled(stage, name).values():
            whole.merge(one)
        return whole

    def numbers(self, stage: str, name: str) -> dict[str, float]:
        """The number of this name, by label, of all processes of the stage together."""
        found: dict[str, float] = defaultdict(float)
        for snapshot in self.of(stage):
            for one in snapshot.numbers:
                if one.name == name:
                    found[one.label] += one.value
        return dict(found)

    def number(self, stage: str, name: str) -> float:
        return sum(self.numbers(stage, name).values())

    def seconds(self, stage: str, name: str) -> float:
        """What spans of this name took, the one under way included."""
        under_way = sum(one.since for one in self.of(stage) if one.doing == name)
        return self.histogram(stage, name).sum + under_way

    def elapsed(self, stage: str) -> float:
        """Seconds from the start of its first process to its last snapshot."""
        found = self.of(stage)
        return max((s.at for s in found), default=0.0) - min((s.started for s in found), default=0.0)

    def lived(self, stage: str) -> float:
        """Seconds that its processes were there, added up."""
        return sum(one.at - one.started for one in self.of(stage))

    def cpu(self, stage: str) -> float:
        return sum(one.cpu for one in self.of(stage))


def stage_of(process: str) -> str:
    """process-3 belongs to process."""
    stage, _, number = process.rpartition("-")
    return stage if stage and number.isdigit() else process
