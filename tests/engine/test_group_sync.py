"""Many files are made durable at once, and each failure is seen."""
from __future__ import annotations

import signal
import threading

import pytest

from tgbulk.engine.group_sync import AT_ONCE, sync_together
from tgbulk.engine.heartbeat import STACK_SIGNAL


@pytest.mark.parametrize("number", [0, 1, 2, AT_ONCE, 100])
def test_each_is_done_once(number: int) -> None:
    done: list[int] = []
    sync_together([lambda place=place: done.append(place) for place in range(number)])  # type: ignore[misc]
    assert sorted(done) == list(range(number))


def test_several_wait_at_the_same_time() -> None:
    barrier = threading.Barrier(AT_ONCE, timeout=60)

    def wait() -> None:
        barrier.wait()

    sync_together([wait] * AT_ONCE)


@pytest.mark.parametrize("number", [1, 20])
def test_a_failure_is_raised_when_all_have_ended(number: int) -> None:
    done: list[int] = []

    def fail() -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        sync_together([fail, *[lambda: done.append(1)] * (number - 1)])
    assert len(done) == number - 1


def test_threads_leave_the_stack_of_a_hang_to_the_main_one() -> None:
    """And one file alone needs no thread."""
    seen: list[bool] = []

    def look() -> None:
        seen.append(STACK_SIGNAL in signal.pthread_sigmask(signal.SIG_BLOCK, []))

    sync_together([look])
    sync_together([look] * 3)
    assert seen == [False, True, True, True]
