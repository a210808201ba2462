"""A database that stops answering, as a machine that is suspended does: its connections stay; jobs that are cut short."""
from __future__ import annotations

import asyncio
import signal

import psutil
import pytest

from support.postgres import Postgres, postgres, programs
from tgbulk.stages.fleet import queue as queue_module
from tgbulk.stages.fleet.queue import ChatJob, DatabaseAwayError, Queue

pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")


def suspend(database: Postgres, number: signal.Signals) -> None:
    assert database._process is not None
    server = psutil.Process(database._process.pid)
    for process in [server, *server.children(recursive=True)]:
        process.send_signal(number)


def test_every_question_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(database: Postgres) -> None:
        async with Queue(database.url) as queue:
            lock = await queue.connect()
            monkeypatch.setattr(queue_module, "ANSWER_SECONDS", 1.0)
            suspend(database, signal.SIGSTOP)
            try:
                questions = [queue.counts(), queue.beat(1, 1), queue.connect(), queue.plan([ChatJob("@name")])]
                told = await asyncio.gather(*questions, return_exceptions=True)
                with pytest.raises(DatabaseAwayError, match="does not answer within 1 seconds"):
                    async with queue.answering():
                        await lock.execute("SELECT 1")
            finally:
                suspend(database, signal.SIGCONT)
            assert [type(one) for one in told] == [DatabaseAwayError] * len(questions)
            monkeypatch.undo()
            assert await queue.counts() == []

    with postgres() as database:
        asyncio.run(main(database))


def test_a_job_that_is_cut_short_is_handed_out_again() -> None:
    async def main(database: Postgres) -> None:
        begun = asyncio.Event()

        async def hang(*_: object) -> None:
            begun.set()
            await asyncio.sleep(600)

        async with Queue(database.url) as queue:
            await queue.plan([ChatJob("@name")])
            worker = asyncio.create_task(queue.work("main", 1.0, hang))
            await begun.wait()
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
            assert [(one["status"], one["jobs"]) for one in await queue.counts()] == [("todo", 1)]

    with postgres() as database:
        asyncio.run(main(database))
