"""The cases, in the order in which they run."""
from __future__ import annotations

from tgbulk.perf.bench.case import Case
from tgbulk.perf.bench.cases import (
    accounts,
    calls,
    ceiling,
    cpu,
    feed,
    flood,
    follow,
    latency,
    media,
    memory,
    metrics,
    records,
    render,
    render_memory,
    startup,
    unchanged,
)

CASES: dict[str, Case] = {
    "ceiling": ceiling.run,
    "accounts": accounts.run,
    "again": accounts.run_again,
    "latency": latency.run,
    "cpu": cpu.run,
    "calls": calls.run,
    "unchanged": unchanged.run,
    "startup": startup.run,
    "feed": feed.run,
    "follow": follow.run,
    "memory": memory.run,
    "flood": flood.run,
    "media": media.run,
    "metrics": metrics.run,
    "records": records.run,
    "render": render.run,
    "render-memory": render_memory.run,
}
