"""Processes that render parts. They end when the supervisor does, however it ends; none holds a lock that another needs."""
from __future__ import annotations

import gc
import multiprocessing
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tgbulk.engine.error import FileRefusedError, LimitError, StorageError, TgbulkError, shortage
from tgbulk.engine.folder import LinkError
from tgbulk.engine.forkserver import die_with_parent, ignore_signals
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.format import Format
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.view import Filter, View

#: Tasks that wait at each process while it works.
AHEAD = 2
#: A part that so many processes died of is given up.
DEATHS = 2
#: Seconds in which one of them at least has to be done with a part, which has 256 MB at most.
ANSWER_SECONDS = 1800.0
#: Seconds in which one that was killed is gone.
LEAVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Task:
    """One pass over one part."""

    #: of the chat, in this render
    job: int
    snapshot: ChatSnapshot
    part: Part
    #: survey, not render
    first_pass: bool


@dataclass(frozen=True, slots=True)
class Answer:
    task: Task
    #: what survey or render returned
    value: Any = None
    misses: list[int] | None = None
    #: of the files that the part asked for (part_media.py)
    asked: str | None = None
    media: int = 0
    #: messages that were looked up; None: too many
    quoted: list[int] | None = None
    error: TgbulkError | None = None


class DeadWorkerError(TgbulkError):
    """a process that rendered it was killed: {0}"""

    advice = "If memory is short, give fewer --workers."


class UnreadableError(StorageError):
    """{0} cannot be rendered: {1}"""

    advice = "tgbulk verify ARCHIVE tells whether the chat is damaged; if it is not, please report this."


class Worker:
    """Does tasks, one after the other, and keeps what it knows of the last chat."""

    def __init__(self, format: Format, wanted: Filter, folder: Path) -> None:
        self._format = format
        self._wanted = wanted
        self._folder = folder
        self._job = -1
        self._view: View | None = None

    def do(self, task: Task) -> Answer:
        """Errors are in the answer, but for what concerns the whole render."""
        # Messages refer to each other in no circles; looking for some among a page of them takes a tenth of the time.
        gc.disable()
        try:
            view = self._open(task)
            view.begin(f"{task.job}-{task.part.number}")
            if task.first_pass:
                return Answer(task, self._format.survey(task.part, view))
            value = self._format.render(task.part, view)
            return Answer(task, value, view.misses(), *view.media.asked(), view.quoted())
        except TgbulkError as error:
            return Answer(task, error=error)
        except LinkError as error:
            return Answer(task, error=UnreadableError(error.filename, error.strerror))
        except OSError as error:
            return Answer(task, error=FatalError.at(error, self._folder))
        except MemoryError as error:
            return Answer(task, error=shortage(error))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            return Answer(task, error=UnreadableError(f"chat {task.snapshot.marked_id}", reason))
        finally:
            gc.enable()

    def close(self) -> None:
        if self._view is not None:
            self._view.close()

    def _open(self, task: Task) -> View:
        if self._view is None or self._job != task.job:
            self.close()
            self._view = None
            self._view = View(task.snapshot, self._format.shown, self._wanted, self._folder)
            self._job = task.job
        return self._view


class FatalError(FileRefusedError):
    """{0}: {1}"""

    @classmethod
    def at(cls, error: OSError, folder: Path) -> TgbulkError:
        """Of a file in the archive or in the temporary folder: the whole render ends. folder: where the error names none."""
        return shortage(error) or cls.of(error, None if error.filename else folder)


def work(connection: Connection, worker: Worker) -> None:
    """A process of the pool."""
    die_with_parent(signal.SIGKILL)
    ignore_signals()
    try:
        while True:
            connection.send(worker.do(connection.recv()))
    except (EOFError, ConnectionError):
        return  # the supervisor is gone


class Inline:
    """A pool of no processes: each task is done when its answer is asked for."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._tasks: list[Task] = []

    @property
    def room(self) -> bool:
        return not self._tasks

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def answers(self) -> Iterator[Answer]:
        while self._tasks:
            yield self._worker.do(self._tasks.pop(0))

    def close(self) -> None:
        self._worker.close()


class RenderPool:
    """Started when the first task comes."""

    def __init__(self, worker: Worker, count: int) -> None:
        self._worker = worker
        self._context = multiprocessing.get_context("spawn")
        self._tasks: dict[Connection, list[Task]] = {}
        self._processes: dict[Connection, Any] = {}
        self._deaths: dict[tuple[int, int], int] = {}

        self._count = count

    @property
    def room(self) -> bool:
        return len(self._processes) < self._count or any(len(tasks) < AHEAD for tasks in self._tasks.values())

    def submit(self, task: Task) -> None:
        """LimitError."""
        idle = [one for one, tasks in self._tasks.items() if not tasks]
        connection = idle[0] if idle else self._start() if len(self._processes) < self._count else None
        if connection is None:
            connection = min(self._tasks, key=lambda one: len(self._tasks[one]))
        self._tasks[connection].append(task)
        try:
            connection.send(task)
        except OSError:
            pass  # it died: `answers` sees to it

    def answers(self) -> Iterator[Answer]:
        """What has come, waiting for one at least. LimitError."""
        busy = [one for one, tasks in self._tasks.items() if tasks]
        ready_ones = wait(busy, ANSWER_SECONDS) if busy else []
        for silent in busy if not ready_ones else []:
            yield from self._replace(silent)
        for ready in ready_ones:
            assert isinstance(ready, Connection)
            try:
                yield self._answer(ready)
            except (EOFError, ConnectionError):
                yield from self._replace(ready)

    def close(self) -> None:
        """Kill what is at work: its files are temporary."""
        for connection, process in self._processes.items():
            connection.close()
            process.kill()
            process.join(LEAVE_SECONDS)
        self._processes.clear()
        self._tasks.clear()

    def _answer(self, connection: Connection) -> Answer:
        answer: Answer = connection.recv()
        self._tasks[connection].pop(0)
        return answer

    def _replace(self, connection: Connection) -> Iterator[Answer]:
        """A process died, or does not answer: its tasks go to others; the first of them, which it was at, not for ever."""
        process = self._processes.pop(connection)
        tasks = self._tasks.pop(connection)
        connection.close()
        process.join(LEAVE_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join(LEAVE_SECONDS)
        key = tasks[0].job, tasks[0].part.number
        self._deaths[key] = self._deaths.get(key, 0) + 1
        if self._deaths[key] >= DEATHS:
            yield Answer(tasks.pop(0), error=DeadWorkerError(f"exit status {process.exitcode}"))
        for task in tasks:
            self.submit(task)

    def _start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=work, args=(theirs, self._worker), daemon=True)
        try:
            process.start()
        except OSError as error:
            raise shortage(error) or LimitError(str(error), "Give fewer --workers.") from error
        theirs.close()
        self._processes[ours], self._tasks[ours] = process, []
        return ours


