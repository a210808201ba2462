"""The queue of a fleet: Procrastinate's jobs in PostgreSQL (docs/spec/fleet.md 2).

It decides when a chat changes hands; who has it, the store alone says, so that the queue may be lost and planned again.
"""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tgbulk.engine.error import NetworkError, UsageError

#: The queue of chats that any account may export; chats of one account have a queue of its name.
PUBLIC_QUEUE = "public"
TASK = "tgbulk.export"
#: Seconds for a connection to the database.
CONNECT_SECONDS = 10
#: Seconds in which it answers whatever is asked; of several hosts that make its tables one after the other, too.
ANSWER_SECONDS = 60.0

#: One statement: between looking and writing a job can come to its end. Idle hosts are told as of a job that is new, else
#: they would notice when they look the next time.
_RESCUE = """
WITH found AS (
  UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1, scheduled_at = NULL
  WHERE status = 'doing' AND (worker_id IS NULL OR worker_id IN (
    SELECT id FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => %(seconds)s)
  )) RETURNING id, queue_name
) SELECT pg_notify(
  'procrastinate_queue_v1#' || queue_name, json_build_object('type', 'job_inserted', 'job_id', id)::text
) FROM found
"""
_BEAT = """
UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(worker)s AND EXISTS (
  SELECT 1 FROM procrastinate_jobs WHERE id = %(job)s AND status = 'doing' AND worker_id = %(worker)s
) RETURNING id
"""
_PLANNED = """
SELECT DISTINCT queueing_lock FROM procrastinate_jobs
WHERE queueing_lock = ANY(%(locks)s) AND status::text = ANY(%(states)s)
"""
#: Of what is queued or under way; who does it has read its own.
_EVERY = """
UPDATE procrastinate_jobs SET args = jsonb_set(args, '{every}', to_jsonb(%(every)s::int))
WHERE queueing_lock = ANY(%(locks)s) AND status IN ('todo', 'doing') RETURNING id
"""
_COUNTS = """
SELECT queue_name, CASE WHEN status = 'todo' AND scheduled_at > now() THEN 'later' ELSE status::text END AS status,
  count(*) AS jobs FROM procrastinate_jobs WHERE task_name = %(task)s GROUP BY 1, 2 ORDER BY 1, 2
"""
_RUNNING = """
SELECT job.args ->> 'chat' AS chat, job.attempts, extract(epoch FROM now() - worker.last_heartbeat)::float AS beat
FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
WHERE job.status = 'doing' AND task_name = %(task)s ORDER BY job.id
"""


class MissingFleetError(UsageError):
    """procrastinate and psycopg are not installed"""

    advice = "pip install 'tgbulk[fleet]'"


class DatabaseAwayError(NetworkError):
    """the database of the fleet: {0}"""

    advice = "Try again later; what is published stays in the store."


class AgainLaterError(Exception):
    """A job for somebody to take up again after so many seconds."""

    def __init__(self, seconds: int = 0) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class ChatLeftError(Exception):
    """A job that came to its end without its chat."""


@dataclass(frozen=True, slots=True)
class ChatJob:
    """A chat to export, as somebody named it, and the options of the export."""

    chat: str
    options: tuple[str, ...] = ()
    #: the only account that can; None: any
    account: str | None = None

    @property
    def queue(self) -> str:
        return PUBLIC_QUEUE if self.account is None else f"account {self.account}"

    @property
    def lock(self) -> str:
        return f"{self.queue}: {self.chat.lower()}"


#: Under which name a worker brings along what a job does.
_DO = "do"
#: Exports a chat: its name, the options, the job, its worker.
Work = Callable[[str, list[str], int, int], Awaitable[None]]


class Queue:
    """Use within `async with`. Methods raise DatabaseAwayError."""

    def __init__(self, database: str) -> None:
        """database: a URL of PostgreSQL. MissingFleetError."""
        try:
            import procrastinate
            import psycopg
        except ImportError as error:
            raise MissingFleetError from error
        self._psycopg: Any = psycopg
        self._procrastinate: Any = procrastinate
        self._database = database
        connector = procrastinate.PsycopgConnector(conninfo=database, timeout=CONNECT_SECONDS)
        self.app: Any = procrastinate.App(connector=connector)
        self._task: Any = _task(procrastinate, self.app)
        #: what a database that is away raises
        self.errors: tuple[type[Exception], ...] = (procrastinate.exceptions.ConnectorException, psycopg.Error, OSError)

    async def __aenter__(self) -> Queue:
        try:
            async with self.answering():
                await self.app.open_async()
                # Several hosts may begin at once.
                async with await self.connect() as connection:
                    await connection.execute("SELECT pg_advisory_lock(hashtextextended('tgbulk schema', 0))")
                    if not await self.app.check_connection_async():
                        await self.app.schema_manager.apply_schema_async()
        except DatabaseAwayError:
            await self.app.close_async()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.app.close_async()

    async def connect(self, idle_seconds: float = 0) -> Any:
        """A connection of its own, whose locks go with it, at the latest when nothing is asked for so long."""
        options = f"-c idle_session_timeout={round(1000 * idle_seconds)}" if idle_seconds else ""
        async with self.answering():
            return await self._psycopg.AsyncConnection.connect(
                self._database, autocommit=True, connect_timeout=CONNECT_SECONDS, options=options
            )

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """DatabaseAwayError for whatever the database raises, and where it does not answer."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                yield
        except TimeoutError as error:
            raise DatabaseAwayError(f"it does not answer within {ANSWER_SECONDS:g} seconds") from error
        except self.errors as error:
            raise DatabaseAwayError(_sentence(error)) from error

    async def plan(self, jobs: Sequence[ChatJob], again: bool = False, every: int | None = None) -> int:
        """Queue those that are not queued, under way or, unless `again`, done; how many.

        every: seconds after which each is queued again when it came to its end, also those that are queued; 0: no more.
        """
        locks = [one.lock for one in jobs]
        states = ["todo", "doing"] if again or every else ["todo", "doing", "succeeded"]
        found = await self._ask(_PLANNED, locks=locks, states=states)
        if every is not None:
            await self._ask(_EVERY, locks=locks, every=every)
        known, queued = {row["queueing_lock"] for row in found}, 0
        for one in jobs:
            if one.lock in known:
                continue
            known.add(one.lock)
            try:
                deferrer = self._task.configure(queue=one.queue, lock=one.lock, queueing_lock=one.lock)
                async with self.answering():
                    await deferrer.defer_async(chat=one.chat, options=list(one.options), every=every or 0)
            except self._procrastinate.exceptions.AlreadyEnqueued:
                continue
            queued += 1
        return queued

    async def counts(self) -> list[dict[str, Any]]:
        """`queue_name`, `status` (todo, later, doing, succeeded, failed, ...) and number of `jobs`."""
        return await self._ask(_COUNTS, task=TASK)

    async def running(self) -> list[dict[str, Any]]:
        """`chat`, `attempts` before this one, earlier runs among them, `beat`: seconds since its host was heard of, None
        where it has none."""
        return await self._ask(_RUNNING, task=TASK)

    async def rescue(self, lease: float) -> int:
        """Hand out again what hosts had whose heartbeats stopped so many seconds ago; how many jobs."""
        return len(await self._ask(_RESCUE, seconds=lease))

    async def beat(self, job: int, worker: int) -> bool:
        """A heartbeat; whether the job is this worker's still."""
        return bool(await self._ask(_BEAT, job=job, worker=worker))

    async def work(self, account: str, lease: float, do: Work) -> None:
        """Take the account's jobs, one at a time, until it is cancelled; then the one under way may come to its end."""

        await self.app.run_worker_async(
            queues=[PUBLIC_QUEUE, f"account {account}"], name=account, concurrency=1, install_signal_handlers=False,
            fetch_job_polling_interval=lease / 4, update_heartbeat_interval=lease / 4, stalled_worker_timeout=2 * lease,
            additional_context={_DO: do},
            # Heartbeats end when it is asked to stop: whatever is not over within the lease is another host's.
            shutdown_graceful_timeout=lease * 3 / 4,
        )

    async def _ask(self, query: str, **values: Any) -> list[dict[str, Any]]:
        async with self.answering():
            rows: list[dict[str, Any]] = await self.app.connector.execute_query_all_async(query, **values)
        return rows


def _task(procrastinate: Any, app: Any) -> Any:
    """The one task: it does what its worker brings along."""

    class Again(procrastinate.BaseRetryStrategy):  # type: ignore[misc]
        """What was handed over or cut short is taken up again, what is done when its time has come; what failed is not."""

        def get_retry_decision(self, *, exception: BaseException, job: Any) -> Any:
            if isinstance(exception, AgainLaterError):
                return procrastinate.RetryDecision(retry_in={"seconds": exception.seconds})
            if isinstance(exception, (asyncio.CancelledError, procrastinate.exceptions.JobAborted)):
                return procrastinate.RetryDecision(retry_in={"seconds": 0})  # else it would count as done with
            return None

    async def export(context: Any, chat: str, options: list[str], every: int = 0) -> None:
        await context.additional_context[_DO](chat, options, context.job.id, context.job.worker_id)
        if every:
            raise AgainLaterError(every)

    return app.task(name=TASK, pass_context=True, retry=Again())(export)


def _sentence(error: BaseException) -> str:
    """Without what may have a password in it."""
    cause = error.__cause__ or error
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]
