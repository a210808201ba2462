"""A dozen short schedules of changing chats; `make living` has hundreds, and longer ones."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from disaster.living import lanes, run

NUMBERS = range(5100, 5112)
LANES = 2


def test_whatever_changes_the_archive_says_what_telegram_does(tmp_path: Path) -> None:
    """Edits, deletions, restorations, kicks; pushes lost, late and doubled; boxes that forget; exports, followers killed."""
    with lanes(tmp_path, LANES) as free, ThreadPoolExecutor(LANES) as pool:
        wrong = pool.map(lambda number: run(free, number, tmp_path, short=True), NUMBERS)
        assert [text for texts in wrong for text in texts] == []
