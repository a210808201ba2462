"""Starts tgbulk with all its records unslotted, each with a __dict__; everything else is as it is.

A program of its own, `python -m tgbulk.perf.bench.unslotted ...` with the words of tgbulk; the fork server calls install()
before it imports the stages. What is replaced is found by name, since perf imports none of what it measures.
"""
from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

_real: Callable[..., Any] = dataclasses.dataclass


def install() -> None:
    """Let `@dataclass(slots=True)` make no slots from now on; __slots__ stays as a list of names that nothing obeys."""
    dataclasses.dataclass = _loose


def main() -> None:
    install()
    attempt: Any = import_module("tgbulk.stages.run.attempt")
    attempt.PRELOAD.insert(0, "tgbulk.perf.bench.unslotted:install")
    import_module("tgbulk.cli.main").main()


def _loose(cls: type[Any] | None = None, /, *, slots: bool = False, **options: Any) -> Any:
    def make(one: type[Any]) -> Any:
        made: Any = _real(one, **options)
        if slots:
            made.__slots__ = tuple(field.name for field in dataclasses.fields(made))
            made.__getstate__ = _state
        return made

    return make if cls is None else make(cls)


def _state(record: object) -> dict[str, Any]:
    """For pickle, which would go by __slots__."""
    return record.__dict__


if __name__ == "__main__":
    sys.argv[0] = "tgbulk"
    main()
