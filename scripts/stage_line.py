"""The stages of a run as people see them while it works: a line each."""
from __future__ import annotations

from stages.collect.status import Status

#: What a stage waits for, in words.
_WAITS = {
    ("fetch", "limit"): "Telegram's limit",
    ("fetch", "answers"): "answers",
    ("process", "upstream"): "pages",
    ("process", "downstream"): "write",
    ("write", "upstream"): "blocks",
    ("transcode", "upstream"): "films",
}


def stage_lines(status: Status) -> list[str]:
    """Units a second, queue, how busy it is, CPU of a core and what it waits for; a line a stage."""
    queues = {"fetch": f"{status.flying} out", "write": f"{status.slots} queued"}
    return [_line(row, queues.get(row[0], "")) for row in status.stages]


def _line(row: list[object], queue: str) -> str:
    stage, units, busy, cpu, wait, share = row
    waits = f"{share:4.0%} for {_WAITS.get((str(stage), str(wait)), wait)}" if wait else ""
    return f"  {stage:<10}{units:7,.0f}/s  {queue:<10}{busy:5.0%} busy{cpu:5.0%} CPU {waits}".rstrip()
