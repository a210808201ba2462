"""Makes many records of one kind and prints as JSON what they take: {"bytes", "seconds"} for all of them.

A program of its own, so that each kind begins with a fresh heap: `python -m tgbulk.perf.bench.record FORM CLASS COUNT`, with
CLASS as module:name. FORM is `class` (as it is), `twin` (a dataclass with the same fields and without slots), `dict`, or
`telethon` (Telethon's object, with a value for each of its own fields). Values are made before and are not counted.
"""
from __future__ import annotations

import gc
import importlib
import inspect
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, make_dataclass
from itertools import starmap
from typing import Any

#: Rows of values that differ; the records share them.
ROWS = 1000


def maker(form: str, path: str) -> tuple[Callable[..., Any], int]:
    """(how a record is made of its values, how many it takes)."""
    module, _, name = path.partition(":")
    cls = getattr(importlib.import_module(module), name)
    if form == "telethon":
        return cls, len(inspect.signature(cls).parameters)
    names = [field.name for field in fields(cls)]
    if form == "twin":
        return make_dataclass(f"Loose{name}", names), len(names)
    if form == "dict":
        return lambda *values: dict(zip(names, values, strict=True)), len(names)
    return cls, len(names)


def measure(form: str, path: str, count: int) -> dict[str, float]:
    """Bytes that `count` records hold, the list around them left out, and the CPU seconds that making them takes."""
    make, width = maker(form, path)
    rows = [tuple(f"{row} {column}" for column in range(width)) for row in range(ROWS)]
    values = [rows[number % ROWS] for number in range(count)]
    gc.collect()
    gc.freeze()
    began = time.process_time()
    records = list(starmap(make, values))
    seconds = time.process_time() - began
    del records
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    records = list(starmap(make, values))
    held = tracemalloc.get_traced_memory()[0] - before - sys.getsizeof(records)
    return {"bytes": held, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
