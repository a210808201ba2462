from __future__ import annotations

from functools import partial

from tgbulk.engine.restart_policy import RestartPolicy


def test_pauses_double_and_end() -> None:
    now = [0.0]
    budget = RestartPolicy(most=8, window=60, free=2, pause=1.0, longest=5.0, clock=lambda: now[0])
    assert [budget.next_delay() for _ in range(9)] == [0, 0, 1, 2, 4, 5, 5, 5, None]


def test_what_worked_for_longer_starts_afresh() -> None:
    now = [0.0]
    budget = RestartPolicy(most=2, window=60, free=2, clock=lambda: now[0])
    for _ in range(100):
        assert budget.next_delay() == 0
        now[0] += 30
    assert budget.next_delay() == 0
    assert budget.next_delay() is None


def test_a_death_that_was_dealt_with_is_forgiven() -> None:
    budget = RestartPolicy(most=1, window=60, free=1)
    for _ in range(10):
        assert budget.next_delay() == 0
        budget.reset()
    assert budget.next_delay() == 0
    assert budget.next_delay() is None


def test_what_is_started_again() -> None:
    now = [0.0]
    started: list[str] = []
    budget = RestartPolicy(most=3, window=60, free=1, pause=1.0, clock=lambda: now[0])
    assert [budget.restart(partial(started.append, name)) for name in "abcd"] == [True, True, True, False]
    assert started == ["a"]
    now[0] = 1.0
    budget.start_due()
    assert started == ["a", "b"]
    now[0] = 9.0
    budget.start_due()
    budget.start_due()
    assert started == ["a", "b", "c"]


def test_pauses_that_nobody_chose() -> None:
    now = [0.0]
    budget = RestartPolicy(most=10, window=60, free=2, clock=lambda: now[0])
    assert [budget.next_delay() for _ in range(11)] == [0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, None]


def test_an_exit_counts_until_its_window_is_over() -> None:
    """And one that was too many counts as well."""
    now = [0.0]
    budget = RestartPolicy(most=1, window=60, free=1, clock=lambda: now[0])
    assert budget.next_delay() == 0
    now[0] = 59.9
    assert budget.next_delay() is None
    now[0] = 60.0
    assert budget.next_delay() is None
    now[0] = 120.0
    assert budget.next_delay() == 0


def test_what_ends_as_it_is_started_is_started_once_for_each_end() -> None:
    now = [0.0]
    started: list[float] = []
    budget = RestartPolicy(most=4, window=60, free=1, pause=1.0, clock=lambda: now[0])

    def start() -> None:
        started.append(now[0])
        budget.restart(start)

    assert budget.restart(start)
    for _ in range(100):
        now[0] += 0.25
        budget.start_due()
    assert started == [0.0, 1.0, 3.0, 7.0]


def test_seconds_are_those_of_a_clock_that_nobody_sets() -> None:
    started: list[str] = []
    budget = RestartPolicy(most=2, window=60, free=0, pause=0.0)
    assert budget.restart(partial(started.append, "a"))
    assert started == ["a"]
