"""Starts tgbulk without its metrics: nothing is counted, nothing is told, nobody collects.

A program of its own, `python -m tgbulk.perf.bench.unmeasured ...` with the words of tgbulk; the fork server calls install()
before it imports the stages. What is replaced is found by name, since perf imports none of what it measures.
"""
from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any


def install() -> None:
    """Make the meter of this process, and of those forked from it, do nothing."""
    meter: Any = import_module("tgbulk.engine.metric").Meter
    meter.__enter__ = lambda self: self
    meter.__exit__ = meter.count = meter.observe = meter.watch = _nothing
    meter.span = _no_span


def collect(*arguments: object) -> None:
    """In the place of the collector: leaves at once."""


def main() -> None:
    attempt: Any = import_module("tgbulk.stages.run.attempt")
    attempt.PRELOAD.insert(0, "tgbulk.perf.bench.unmeasured:install")
    entry_points = attempt.EntryPoints
    entry_points.collect = type(entry_points.collect)("tgbulk.perf.bench.unmeasured:collect")
    import_module("tgbulk.cli.main").main()


def _nothing(*arguments: object, **options: object) -> None:
    pass


def _no_span(meter: object, name: str) -> AbstractContextManager[None]:
    return nullcontext()


if __name__ == "__main__":
    sys.argv[0] = "tgbulk"
    main()
