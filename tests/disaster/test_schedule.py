"""A dozen of the quicker schedules; `make schedules` has hundreds."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from disaster.schedule import lanes, run

NUMBERS = (5, 7, 10, 13, 32, 39, 41, 58, 65, 93, 95, 109)
LANES = 3


def test_whatever_changes_and_goes_wrong_nothing_is_lost(tmp_path: Path) -> None:
    """Inserts, edits, deletions, jitter, server errors, lost connections, floods, runs cut short, all at once."""
    with lanes(tmp_path, LANES) as free, ThreadPoolExecutor(LANES) as pool:
        assert [text for wrong in pool.map(lambda number: run(free, number), NUMBERS) for text in wrong] == []
