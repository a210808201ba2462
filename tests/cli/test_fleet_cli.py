"""`tgbulk fleet plan` and `status`, as people call them, with a real database."""
from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from support.exporter import Exporter
from support.postgres import Postgres, postgres, programs
from tgbulk.cli.planned import planned
from tgbulk.stages.fleet.queue import AgainLaterError, ChatJob, Queue

pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")

Fleet = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def database(server: Postgres) -> str:
    server.forget()
    return server.url


@pytest.fixture
def fleet(database: str, exporter: Exporter) -> Fleet:
    def run(*words: str) -> CompletedProcess[str]:
        return exporter.tgbulk("fleet", *words, TGBULK_DATABASE=database)

    return run


def test_a_selection_is_queued_for_its_account_and_once(fleet: Fleet, tmp_path: Path) -> None:
    job = tmp_path / "nightly.toml"
    job.write_text('output = "x"\n[[export]]\nmatch = ["sim_middle"]\n[[export]]\nchats = ["@durov", "@telegram"]\n')
    done = fleet("plan", str(job), "--", "--since", "2024-01-01")
    assert (done.returncode, done.stderr.strip()) == (0, "3 queued, 0 were already")
    assert fleet("plan", str(job), "--", "--since", "2024-01-01").stderr.strip() == "0 queued, 3 were already"
    counts = {"account main": 1, "public": 2}
    found = json.loads(fleet("status", "--json").stdout)
    assert found == {"jobs": [{"queue_name": name, "status": "todo", "jobs": count} for name, count in counts.items()],
                     "running": []}
    assert 'tgbulk_fleet_chats{queue="public",status="todo"} 2.0' in fleet("status", "--metrics").stdout


def test_names_and_job_files_become_jobs_with_the_options_of_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGBULK_HOME", str(tmp_path))
    monkeypatch.setenv("TGBULK_API_ID", "1")
    monkeypatch.setenv("TGBULK_API_HASH", "0" * 32)
    names, job = tmp_path / "names", tmp_path / "job.toml"
    names.write_text("@durov  # one\n-1001234567890\nt.me/telegram/7\n")
    options = ("--media", "photo", "--takeout", "try", "--gentle")
    found = planned(str(names), [*options, "--account", "one", "--quiet"], None)
    assert [one.chat for one in found] == ["@durov", "-1001234567890", "t.me/telegram/7"]
    assert {(frozenset(one.options), one.account) for one in found} == {(frozenset(options), None)}
    job.write_text('output = "x"\nproxy = "socks5://u:secret@h:1"\nmedia = "photo"\nchats = ["@durov", "-1001234567890"]\n')
    found = planned(str(job), ["--since", "2024-01-01"], "two")
    assert [(one.chat, one.account) for one in found] == [("@durov", "two"), ("-1001234567890", "two")]
    assert {frozenset(one.options) for one in found} == {frozenset(("--since", "2024-01-01", "--media", "photo"))}


def test_what_is_planned_for_every_so_often_comes_again(database: str) -> None:
    jobs = [ChatJob("@a"), ChatJob("@b")]

    async def statuses(queue: Queue) -> dict[str, int]:
        return {one["status"]: one["jobs"] for one in await queue.counts()}

    async def run() -> None:
        async with Queue(database) as queue:
            assert await queue.plan(jobs[:1], every=3600) == 1
            assert await queue.plan(jobs, every=3600) == 1
            assert await work(queue, 2) == ["@a", "@b"]
            assert await statuses(queue) == {"later": 2}
            assert await queue.plan(jobs, every=3600) == 0
            assert await queue.plan(jobs[:1], every=0) == 0
            await queue._ask("UPDATE procrastinate_jobs SET scheduled_at = now() RETURNING id")
            assert await work(queue, 2) == ["@a", "@b"]
            assert await statuses(queue) == {"later": 1, "succeeded": 1}

    asyncio.run(run())


async def work(queue: Queue, jobs: int) -> list[str]:
    """What a worker takes, until it had so many and they came to their end."""
    taken: list[str] = []
    enough = asyncio.Event()

    async def do(chat: str, *_: Any) -> None:
        taken.append(chat)
        if len(taken) == jobs:
            enough.set()

    working = asyncio.create_task(queue.work("one", 4, do))
    await asyncio.wait_for(enough.wait(), 60)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return sorted(taken)


def test_what_is_left_for_later_is_not_done(database: str) -> None:
    async def run() -> list[dict[str, Any]]:
        async with Queue(database) as queue:
            await queue.plan([ChatJob("@a")], every=3600)
            began = asyncio.Event()

            async def do(*_: Any) -> None:
                began.set()
                raise AgainLaterError(60)

            working = asyncio.create_task(queue.work("one", 4, do))
            await asyncio.wait_for(began.wait(), 60)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            return await queue.counts()

    assert [one["status"] for one in asyncio.run(run())] == ["later"]
