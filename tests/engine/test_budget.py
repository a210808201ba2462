from __future__ import annotations

from engine.budget import Budget


def test_pauses_double_and_end() -> None:
    now = [0.0]
    budget = Budget(most=8, window=60, free=2, pause=1.0, longest=5.0, clock=lambda: now[0])
    assert [budget.spend() for _ in range(9)] == [0, 0, 1, 2, 4, 5, 5, 5, None]


def test_what_worked_for_longer_starts_afresh() -> None:
    now = [0.0]
    budget = Budget(most=2, window=60, free=2, clock=lambda: now[0])
    for _ in range(100):
        assert budget.spend() == 0
        now[0] += 30
    assert budget.spend() == 0
    assert budget.spend() is None


def test_a_death_that_was_dealt_with_is_forgiven() -> None:
    budget = Budget(most=1, window=60, free=1)
    for _ in range(10):
        assert budget.spend() == 0
        budget.forgive()
    assert budget.spend() == 0
    assert budget.spend() is None


def test_what_is_started_again() -> None:
    now, started = [0.0], []
    budget = Budget(most=3, window=60, free=1, pause=1.0, clock=lambda: now[0])
    assert [budget.again(lambda name=name: started.append(name)) for name in "abcd"] == [True, True, True, False]
    assert started == ["a"]
    now[0] = 1.0
    budget.start_due()
    assert started == ["a", "b"]
    now[0] = 9.0
    budget.start_due()
    budget.start_due()
    assert started == ["a", "b", "c"]
