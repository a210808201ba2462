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
