"""Renders in each format, by the command line, against what anybody would write; two processes; the reader."""
from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from tgbulk.perf.bench.case import Bench, Scale, say
from tgbulk.perf.bench.error import BenchError
from tgbulk.perf.bench.exporter import environment
from tgbulk.perf.bench.measure import Launch, Usage
from tgbulk.perf.bench.measure import run as measure
from tgbulk.perf.bench.row import Goal, Row, Unit
from tgbulk.perf.bench.tgbulk import TGBULK
from tgbulk.perf.corpus.write import KINDS, MARKED_ID, write_archive

#: Messages of the two chats; what a command costs besides them is the same for both, and goes out by subtraction.
SIZES = {Scale.QUICK: (2_000, 22_000), Scale.NORMAL: (20_000, 120_000), Scale.FULL: (20_000, 520_000)}
#: Format -> how many times as fast as its naive program it must be, of plain and of heavy messages.
FORMATS = {
    "jsonl": (3.0, 2.2), "csv": (2.2, 1.6), "parquet": (2.2, 1.6), "sqlite": (1.3, 1.2), "desktop": (2.2, 1.5),
    "html": (1.8, 1.4),
}
#: The naive program of a format, the flat one of the others.
NAIVE = {"desktop": "result_json", "html": "html"}
#: How much longer than the baseline reading raw objects may take.
RAW = 1.5
#: How many times as fast as one two processes must be.
TWO = 1.3
#: Seconds for one command.
LIMIT = 900.0


@dataclass(frozen=True, slots=True)
class Written:
    """An archive of one chat of the corpus."""

    root: Path
    home: Path

    @property
    def chat(self) -> Path:
        return self.root / "chats" / str(MARKED_ID)


#: Usage of the small chat and of the large one.
Pair = tuple[Usage, Usage]
#: What is run on an archive.
Program = Callable[[Written], Usage]


def run(bench: Bench) -> list[Row]:
    """Microseconds a message over all processes of a command; the least of the runs, for everything else only adds."""
    sizes = SIZES[bench.scale]
    count = sizes[1] - sizes[0]
    rows = []
    for kind in KINDS:
        chats = [Written(bench.folder / f"{kind}-{size}", bench.folder) for size in sizes]
        for chat, size in zip(chats, sizes, strict=True):
            write_archive(chat.root, kind, size)
        programs = _programs(kind)
        pairs: dict[str, list[Pair]] = {name: [] for name in programs}
        for turn in range(bench.runs):
            for name, program in programs.items():
                pairs[name].append((program(chats[0]), program(chats[1])))
            say(f"    {kind}: round {turn + 1} of {bench.runs}")
        bench.log.append({"corpus": kind, "pairs": {
            name: [[one.cpu, one.seconds] for pair in some for one in pair] for name, some in pairs.items()}})
        cpu = {name: _slope(some, attrgetter("cpu")) / count * 1e6 for name, some in pairs.items()}
        rows += _rows(kind, cpu, f"slope between {sizes[0]:,} and {sizes[1]:,} messages, the least of {bench.runs}")
        if kind == "plain":
            wall = {name: _slope(pairs[name], attrgetter("seconds")) / count * 1e6 for name in ("jsonl", "two")}
            rows.append(Row("jsonl, two processes, time a message", Unit.MICROSECONDS, wall["two"], wall["jsonl"],
                            "one process", (Goal(round(1 / TWO, 3), ratio=True),),
                            f"of use on a quiet machine only; {len(os.sched_getaffinity(0))} cores"))
        for chat in chats:
            shutil.rmtree(chat.root)
    return rows


def _slope(pairs: list[Pair], value: Callable[[Usage], float]) -> float:
    """Between the least of the small chat and the least of the large one."""
    least, most = (min(value(pair[place]) for pair in pairs) for place in (0, 1))
    return most - least


def _programs(kind: str) -> dict[str, Program]:
    found: dict[str, Program] = {f"naive {name}": _naive(name) for name in ("flat", *NAIVE.values())}
    found |= {format: _render(format, 1) for format in FORMATS}
    if kind == "plain":
        found["two"] = _render("jsonl", 2)
    return found | {name: _read(name) for name in ("messages", "raw", "orjson")}


def _rows(kind: str, cpu: dict[str, float], note: str) -> list[Row]:
    rows = []
    for format, ratios in FORMATS.items():
        name = f"naive {NAIVE.get(format, 'flat')}"
        goal = Goal(round(1 / ratios[KINDS.index(kind)], 3), ratio=True)
        rows.append(Row(f"{format}, {kind}, CPU a message", Unit.MICROSECONDS, cpu[format], cpu[name], name, (goal,), note))
    return [
        *rows,
        Row(f"reader, {kind}, raw objects, CPU a message", Unit.MICROSECONDS, cpu["raw"], cpu["orjson"], "orjson.loads",
            (Goal(RAW, ratio=True),), note),
        Row(f"reader, {kind}, messages with text, sender, date", Unit.RATE, 1e6 / cpu["messages"], note=note),
    ]


def _naive(name: str) -> Program:
    def program(one: Written) -> Usage:
        out = one.home / "naive"
        words = [str(one.chat / "messages.jsonl"), str(one.chat / "peers.jsonl"), str(MARKED_ID)]
        words += ["sim_corpus"] if name == "flat" else []
        usage = _run(one, [sys.executable, "-m", f"tgbulk.perf.bench.baseline.{name}", *words, str(out)])
        shutil.rmtree(out) if out.is_dir() else out.unlink()
        return usage

    return program


def _render(format: str, workers: int) -> Program:
    def program(one: Written) -> Usage:
        out = one.home / "out"
        words = ["--output", str(out), "-q", "--workers", str(workers)]
        words += ["--media", "none"] if format == "desktop" else []
        usage = _run(one, [TGBULK, "render", format, str(one.root), *words])
        shutil.rmtree(out)
        return usage

    return program


def _read(name: str) -> Program:
    def program(one: Written) -> Usage:
        return _run(one, [sys.executable, "-m", "tgbulk.perf.corpus.read", name, str(one.root), str(MARKED_ID)])

    return program


def _run(one: Written, command: list[str]) -> Usage:
    usage = measure([Launch(command, environment(one.home), one.home)], LIMIT)[0]
    if usage.exit_code or usage.killed:
        words = (one.home / "stderr").read_text(errors="replace").strip()[-500:]
        raise BenchError(f"{' '.join(command[:4])} ended with exit code {usage.exit_code}: {words}")
    return usage
