"""Processes that render: one that no longer answers is replaced, and the part it hangs at is given up."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from support.stopping import Stopping
from tgbulk.stages.render import pool
from tgbulk.stages.render.pool import Answer, DeadWorkerError, RenderPool, Task


def task(number: int) -> Task:
    part: Any = SimpleNamespace(number=number)
    snapshot: Any = None
    return Task(1, snapshot, part, False)


def test_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    worker: Any = Stopping()
    processes = RenderPool(worker, 1)
    processes.submit(task(1))
    assert [one.value for one in processes.answers()] == ["done"]
    monkeypatch.setattr(pool, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(pool, "LEAVE_SECONDS", 0.1)
    processes.submit(task(0))
    answers: list[Answer] = []
    while not answers:
        answers += processes.answers()
    processes.close()
    assert isinstance(answers[0].error, DeadWorkerError)
