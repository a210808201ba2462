"""The bench: what its table says, that it counts every process, and one case for real."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.table import table

#: Run by an interpreter of its own, for it becomes the parent of whatever is orphaned under it.
MEASURE = """
import json, pathlib, sys
from dataclasses import asdict
from tgbulk.perf.bench.measure import Launch, adopt_orphans, run
adopt_orphans()
launch = Launch([sys.executable, "-c", sys.argv[1]], {}, pathlib.Path(sys.argv[2]))
print(json.dumps(asdict(run([launch], float(sys.argv[3]), watch_memory=True)[0])))
"""
#: A process that outlives its parent, takes this much CPU and holds so much memory.
ORPHAN = """
import os, time
if os.fork() == 0:
    block = bytearray(b"x" * 60_000_000)
    while time.process_time() < 0.4: pass
"""


def measured(code: str, folder: Path, limit: float = 30.0) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, code, str(folder), str(limit)], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def test_a_goal_is_met_missed_or_out_of_reach() -> None:
    fast = Goal(10, at_least=True, ratio=True)
    assert Row("speed", Unit.RATE, 1000, 100, "loop", (fast,)).met is True
    assert Row("speed", Unit.RATE, 999, 100, "loop", (fast,)).met is False
    assert Row("speed", Unit.RATE, 1000, None, "loop", (fast,)).met is None
    assert Row("speed", Unit.RATE, None, 100, "loop", (fast,)).met is None
    assert Row("speed", Unit.RATE, 1000, 100, "loop").met is None
    both = (Goal(12), Goal(0.2, ratio=True))
    assert Row("cpu", Unit.MICROSECONDS, 11, 60, "loop", both).met is True
    assert Row("cpu", Unit.MICROSECONDS, 11, 50, "loop", both).met is False
    assert Row("cpu", Unit.MICROSECONDS, 11, None, "loop", both).met is None
    assert Row("cpu", Unit.MICROSECONDS, 13, None, "loop", both).met is False


def test_nothing_is_divided_by_nothing() -> None:
    assert Row("early", Unit.COUNT, 3, 0, "loop").ratio is None
    assert median([], float) is None
    assert median([3, 1, 2], float) == 2
    assert median([4, 1, 2, 3], float) == 2.5


def test_the_table() -> None:
    rows = [
        ("cpu", Row("CPU a message", Unit.MICROSECONDS, 10.04, 100.0, "loop", (Goal(12), Goal(0.2, ratio=True)), "slope")),
        ("ceiling", Row("share", Unit.SHARE, 0.9549, goals=(Goal(0.99, at_least=True),))),
        ("ceiling", Row("floods", Unit.COUNT, None, None, "dump", (Goal(0),), "not installed")),
        ("memory", Row("PSS", Unit.MEGABYTES, 1234.5, note="slope")),
    ]
    assert table(rows).splitlines() == [
        "case     what                     ours  baseline         ratio  goal                  met",
        "-------  -----------------  ----------  --------  ----  ------  --------------------  ---",
        "cpu      CPU a message [1]     10.0 us  100.0 us  loop  0.10 x  <= 12.0 us, <= 0.2 x  yes",
        "ceiling  share                 95.49 %                          >= 99.00 %            NO",
        "ceiling  floods [2]                n/a       n/a  dump          <= 0                  n/a",
        "memory   PSS [1]            1,234.5 MB",
        "",
        "[1] slope",
        "[2] not installed",
    ]


def test_an_orphan_is_counted_and_waited_for(tmp_path: Path) -> None:
    usage = measured(ORPHAN, tmp_path)
    assert (usage["exit_code"], usage["killed"]) == (0, False)
    assert usage["cpu"] > 0.4
    assert usage["pss"] > 60_000_000


def test_nothing_outlives_the_limit(tmp_path: Path) -> None:
    code = "import os, time; os.fork() or open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    usage = measured(code, tmp_path, limit=1.0)
    assert (usage["exit_code"], usage["killed"]) == (-9, True)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_case_for_real(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tgbulk.perf.bench", "--quick", "--only", "cpu", "--json", "all.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "CPU a message" in done.stdout
    (case,) = json.loads((tmp_path / "all.json").read_text())["cases"]
    assert case["problem"] is None
    assert {run["exporter"] for run in case["runs"]} == {"tgbulk", "Telethon loop"}
    for run in case["runs"]:
        assert run["traffic"]["pages"] >= run["messages"] // 100
        assert run["usage"]["cpu"] > 0
    assert case["rows"][0]["ours"] > 0
    assert list((tmp_path / "bench-results").iterdir()) == []
