"""The collect process: takes the snapshots of all others, samples them, and writes metrics.json when they are gone.

It learns of the end by the end of file of the snapshots' channel, which comes when every process of the run has left or
was killed; so a run that ends badly has its metrics as well. If it dies itself, nobody else notices but the supervisor.
"""
from __future__ import annotations

import os
import selectors
import time
from math import inf
from typing import Any

import orjson

from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.durable import make_folder, write_whole
from tgbulk.engine.folder import Place
from tgbulk.engine.heartbeat import BEAT_SECONDS, beat
from tgbulk.engine.metric import Snapshot
from tgbulk.stages.collect.config import CollectConfig, CollectContext
from tgbulk.stages.collect.pace import PaceMeter
from tgbulk.stages.collect.report import report
from tgbulk.stages.collect.sample import Sampler
from tgbulk.stages.collect.series import Series
from tgbulk.stages.collect.status import Measured
from tgbulk.stages.collect.tally import Tally
from tgbulk.stages.protocol.event import Notice

#: Seconds until the first sample; then between two of them, a tenth of the run's age within these bounds.
FIRST = 0.2
SAMPLE_LEAST, SAMPLE_MOST = 2.0, 5.0
#: Seconds between two Status messages to the supervisor.
PERIOD = 1.0
#: Seconds that the others have to leave when the supervisor is gone; the fork server kills all a little later.
PATIENCE = 2.0


def main(control: Channel, context: CollectContext) -> None:
    """Collect until everybody has left."""
    collector = Collector(control, context.config)
    collector.serve(context.snapshots)
    collector.finish()


class Collector:
    """What is known of one run."""

    def __init__(self, control: Channel, config: CollectConfig) -> None:
        self._control = control
        self._config = config
        self._tally = Tally()
        self._sampler = Sampler(config.folder.path.parent)
        self._series = Series()
        self._pace = PaceMeter()
        if config.port is not None:
            self._publish(config.port)

    def serve(self, snapshots: Channel) -> None:
        """Take snapshots and samples to the end of file, or PATIENCE after the supervisor's end."""
        selector = selectors.DefaultSelector()
        selector.register(snapshots, selectors.EVENT_READ)
        selector.register(self._control, selectors.EVENT_READ)
        began = time.monotonic()
        due, told = began + FIRST, began + PERIOD if self._config.live else inf
        until = inf
        while time.monotonic() < until:
            beat()
            pause = min(due, told, until) - time.monotonic()
            for key, _ in selector.select(min(BEAT_SECONDS, max(0.0, pause))):
                if key.fileobj is snapshots:
                    if not self._receive(snapshots):
                        return
                elif not self._supervised():
                    selector.unregister(self._control)
                    until = time.monotonic() + PATIENCE
            now = time.monotonic()
            if now >= due:
                due = now + min(SAMPLE_MOST, max(SAMPLE_LEAST, (now - began) / 10))
                self._sample()
            if now >= told:
                told = now + PERIOD
                self._notify(self._pace.status(self._tally))

    def finish(self) -> None:
        """Write the document and report its bottleneck."""
        self._sampler.take([])
        document = report(self._config, self._tally, self._sampler, self._series)
        path = self._config.folder.metrics
        problem = ""
        try:
            make_folder(path.parent)
            document["earlier"] = _earlier(path)
            write_whole(path, orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            problem = f"{error.filename or path.parent}: {error.strerror}"
        self._notify(Measured(document["bottleneck"]["sentence"], problem))

    def _receive(self, snapshots: Channel) -> bool:
        try:
            snapshot, _ = snapshots.receive()
        except ChannelClosed:
            return False
        assert isinstance(snapshot, Snapshot)
        self._tally.take(snapshot)
        return True

    def _supervised(self) -> bool:
        try:
            self._control.receive()
        except ChannelClosed:
            return False
        return True

    def _sample(self) -> None:
        alive = [(name, one.pid) for name, one in self._tally.processes.items() if not one.last]
        fixed = [("supervisor", self._config.supervisor), ("forkserver", os.getppid()), ("collect", os.getpid())]
        known = self._sampler.processes
        self._sampler.take([(n, pid) for n, pid in [*fixed, *alive] if n not in known or known[n].alive])
        self._series.add(self._row())

    def _row(self) -> dict[str, float]:
        """One row of the series: cumulative seconds and bytes of now."""
        row = {"seconds": round(self._config.seconds, 3), "messages": self._tally.number("write", "messages")}
        for name, use in self._sampler.processes.items():
            if use.alive:
                row |= {f"{name}.cpu": use.cpu, f"{name}.rss": use.rss}
        machine = self._sampler.machine
        return row | {"machine.cpu": machine.cpu, "machine.memory_available": machine.memory_available}

    def _publish(self, port: int) -> None:
        from tgbulk.stages.collect.openmetrics import publish  # nobody else needs prometheus-client in memory

        try:
            found = publish(port, self._config, self._tally, self._sampler)
            self._notify(Notice(f"metrics are at http://127.0.0.1:{found}/metrics"))
        except OSError as error:
            self._notify(Notice(f"metrics cannot be served on port {port}: {error.strerror}"))

    def _notify(self, frame: object) -> None:
        try:
            self._control.send(frame)
        except ChannelClosed:
            pass  # the supervisor was killed; the document is written all the same


def _earlier(path: Place) -> list[dict[str, Any]]:
    """The documents of the same run before its processes were started again, the first one first."""
    if not path.exists():
        return []
    before: dict[str, Any] = orjson.loads(path.read_bytes())
    return [*before.pop("earlier", []), before]
