"""python -m tgbulk.perf.bench: measure, print a table, keep everything as JSON."""
from __future__ import annotations

import json
import os
import platform
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import click

from tgbulk.perf.bench.case import Bench, Scale, say
from tgbulk.perf.bench.cases import CASES
from tgbulk.perf.bench.error import BenchError
from tgbulk.perf.bench.measure import adopt_orphans
from tgbulk.perf.bench.row import Row
from tgbulk.perf.bench.table import table
from tgbulk.perf.simdc.launcher import SimDCError

RESULTS = Path("bench-results")
RUNS = 3


@click.command()
@click.option("--quick", "scale", flag_value="quick", help="Small sizes, one run: about a minute.")
@click.option("--full", "scale", flag_value="full", help="Also ten million messages.")
@click.option("--only", type=click.Choice(list(CASES)), multiple=True, help="Only this case; repeatable.")
@click.option("--runs", type=click.IntRange(1), help=f"How often a case runs ({RUNS}; 1 with --quick).")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help=f"Where all runs go ({RESULTS}/<time>.json).")
def main(scale: str | None, only: tuple[str, ...], runs: int | None, json_file: Path | None) -> None:
    """Measure tgbulk against a plain Telethon loop and other exporters on a simulated Telegram.

    Ends with 0 also where a goal is not met, and with 1 where a case could not be run.
    """
    chosen = Scale(scale or "normal")
    runs = runs or (1 if chosen is Scale.QUICK else RUNS)
    started = time.time()
    RESULTS.mkdir(exist_ok=True)
    adopt_orphans()
    signal.signal(signal.SIGTERM, _interrupt)
    report: list[dict[str, Any]] = []
    rows: list[tuple[str, Row]] = []
    skipped: dict[str, str] = {}
    try:
        for name in only or CASES:
            outcome, shown = _run(name, chosen, runs, skipped)
            report.append(outcome)
            rows += [(name, row) for row in shown]
    except KeyboardInterrupt:
        say("bench: interrupted")
        sys.exit(130)
    click.echo(table(rows), nl=False)
    path = json_file or RESULTS / time.strftime("%Y%m%dT%H%M%SZ.json", time.gmtime(started))
    head = {"started": int(started), "scale": chosen.value, "runs": runs, "machine": _machine()}
    path.write_text(json.dumps(head | {"left_out": skipped, "cases": report}, indent=2) + "\n")
    say(f"bench: {time.time() - started:.0f} s, all runs in {path}")
    failed = [outcome for outcome in report if outcome["problem"]]
    for outcome in failed:
        say(f"bench: error: {outcome['case']} could not be run: {outcome['problem']}")
    sys.exit(bool(failed))


def _run(name: str, scale: Scale, runs: int, skipped: dict[str, str]) -> tuple[dict[str, Any], list[Row]]:
    """One case: what goes into the JSON file, and its rows."""
    say(f"bench: {name} ...")
    started = time.time()
    problem = None
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="work-", dir=RESULTS) as folder:
        bench = Bench(scale, runs, Path(folder).absolute(), skipped=skipped)
        try:
            rows = CASES[name](bench)
        except (BenchError, SimDCError) as error:
            problem = str(error)
    outcome = {
        "case": name,
        "seconds": round(time.time() - started, 1),
        "problem": problem,
        "rows": [_row(row) for row in rows],
        "runs": bench.log,
    }
    return outcome, rows


def _row(row: Row) -> dict[str, Any]:
    return asdict(row) | {"unit": row.unit.value, "ratio": row.ratio, "met": row.met}


def _machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "telethon": version("telethon"),
    }


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
