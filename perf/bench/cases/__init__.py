"""The cases, in the order in which they run."""
from __future__ import annotations

from perf.bench.case import Case
from perf.bench.cases import calls, ceiling, cpu, flood, latency, media, memory, metrics, records

CASES: dict[str, Case] = {
    "ceiling": ceiling.run,
    "latency": latency.run,
    "cpu": cpu.run,
    "calls": calls.run,
    "memory": memory.run,
    "flood": flood.run,
    "media": media.run,
    "metrics": metrics.run,
    "records": records.run,
}
