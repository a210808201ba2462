"""One render from the archive's snapshot to whole files."""
from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import orjson

from tgbulk.engine.error import LimitError, StorageError, TgbulkError
from tgbulk.engine.folder import LinkError
from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.archive.lines import ChangedChatError
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.comments import with_discussions
from tgbulk.stages.render.format import ChatDone, Format, PartDone
from tgbulk.stages.render.half import with_halves
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.part_media import FileStates
from tgbulk.stages.render.plan import inputs, parts_to_render, same
from tgbulk.stages.render.pool import Answer, FatalError, Inline, RenderPool, Task, UnreadableError, Worker
from tgbulk.stages.render.state import ChatState, RenderState, load_state
from tgbulk.stages.render.view import Filter

#: How often a chat is tried that a run parts while it is rendered.
ATTEMPTS = 3
#: Seconds between two times that files get their names.
PUBLISH_SECONDS = 2.0


class Listener(Protocol):
    """Is told how a render goes on."""

    def started(self, marked_id: int, title: str, messages: int) -> None: ...

    def rendered(self, marked_id: int, messages: int) -> None: ...

    def ended(self, chat: ChatDone) -> None: ...

    def failed(self, marked_id: int, error: TgbulkError) -> None: ...

    def tick(self) -> None: ...


@dataclass(slots=True)
class RenderOutcome:
    """What became of the chats."""

    done: list[ChatDone] = field(default_factory=list)
    failed: dict[int, TgbulkError] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        return sum(chat.changed for chat in self.done)


@dataclass(slots=True)
class Job:
    """A chat under way."""

    number: int
    snapshot: ChatSnapshot
    state: ChatState
    #: of the journal, when the snapshot was taken
    parted: int
    attempt: int
    parts: list[tuple[Part, PartDone | None]]
    done: list[PartDone | None]
    surveys: list[Any]
    #: tasks that are not answered yet
    waiting: int = 0

    @property
    def marked_id(self) -> int:
        return self.snapshot.marked_id


class Rendering:
    """Renders chats into a folder; what is as it was stays."""

    def __init__(
        self, archive: Path, format: Format, wanted: Filter, folder: Path, workers: int, listener: Listener,
        also: Sequence[Path] = (),
    ) -> None:
        """also: archives of other chats, rendered with it.

        UsageError, StorageError, NewerFormatError, and what the format finds missing; nothing is written yet.
        """
        self._archive = Catalogue([archive, *also])
        self._format = format
        self._listener = listener
        self._output = Output(folder, [archive, *also])
        format.check(self._archive)
        self._made = {
            "format": format.name, "version": format.version, "options": orjson.loads(orjson.dumps(format.options())),
            "since": wanted.since, "until": wanted.until, "topic": wanted.topic,
        }
        worker = Worker(format, wanted, self._output.temporary)
        self._pool: Inline | RenderPool = Inline(worker) if workers == 1 else RenderPool(worker, workers)
        self._jobs: dict[int, Job] = {}
        self._tasks: deque[Task] = deque()
        self._media: dict[Path, FileStates] = {}
        #: rendered, and not yet under their names
        self._ready: list[tuple[ChatDone, ChatState]] = []
        self._published = time.monotonic()
        self._number = 0
        #: whether a chat that is as it was comes from another archive
        self._moved = False
        self._outcome = RenderOutcome()
        #: of the last render, as far as it counts
        self._before = RenderState()
        #: what render.json says
        self._state = RenderState()

    def execute(self, chats: list[int]) -> RenderOutcome:
        """Render these chats, all for none, and those that the folder has already.

        UsageError for one that is not there, StorageError, LimitError, OSError.
        """
        known = self._archive.marked_ids()
        if strange := set(chats) - set(known):
            self._archive.of(min(strange))
        self._output.open()
        try:
            self._load()
            wanted = sorted(set(chats or known) | self._before.selected & set(known))
            if self._format.joins_comments:
                wanted = with_discussions(self._archive, wanted)
            if self._format.joins_halves:
                wanted = with_halves(self._archive, wanted)
            self._media = {
                one.root: FileStates(one.media.files(), one.media.empty) for one in self._archive.readers
            }
            changed = self._changed(wanted)
            tables = self._tables()
            if not changed and not self._moved and self._before.tables == tables and self._all_there():
                return self._outcome
            self._state.selected = set(wanted)
            self._state.files = None
            self._state.save(self._output.folder)
            for chat in changed:
                self._begin(chat, 1)
                self._work(self._room)
            self._work(lambda: not self._jobs)
            self._publish()
            self._finish()
            return self._outcome
        except OSError as error:
            raise FatalError.at(error, self._output.folder) from error
        finally:
            self._pool.close()
            self._output.close()
            self._archive.close()

    def _load(self) -> None:
        """What the last render left. StorageError."""
        before = load_state(self._output.folder)
        if before.made and before.made.get("format") != self._format.name:
            raise StorageError(self._output.folder, f"it is a render of the format {before.made.get('format')}")
        self._state = RenderState(self._made, names=before.all_names(), selected=before.selected)
        if before.made == self._made:
            self._before = before
        else:
            self._before.selected = before.selected

    def _changed(self, chats: list[int]) -> list[int]:
        """The chats of which something has to be rendered; the others are done."""
        changed = []
        for chat in chats:
            try:
                snapshot = self._archive.chat(chat).snapshot
            except LinkError as error:
                self._fail(chat, UnreadableError(error.filename, error.strerror))
                continue
            except TgbulkError as error:
                self._fail(chat, error)
                continue
            before = self._before.chats.get(chat)
            now = inputs(self._format, snapshot)
            if before is None or not same(now, before, self._media[snapshot.root]) or not self._intact(before.files):
                changed.append(chat)
            else:
                source = self._source(snapshot)
                self._moved |= before.archive != source
                before.archive = source
                self._state.chats[chat] = before
                self._outcome.done.append(ChatDone(snapshot, before.parts, before.files, False))
        return changed

    def _intact(self, files: dict[str, int]) -> bool:
        return all(self._format.intact(self._output, name, size) for name, size in files.items())

    def _all_there(self) -> bool:
        before = self._before.files
        return not self._outcome.failed and before is not None and self._intact(before)

    def _source(self, snapshot: ChatSnapshot) -> str | None:
        """What render.json says of where a chat is from."""
        return str(snapshot.root.absolute()) if len(self._archive.readers) > 1 else None

    def _begin(self, chat: int, attempt: int) -> None:
        """Cut a chat into parts, and see which of them are as they were."""
        try:
            snapshot = self._archive.chat(chat).snapshot
            parted = self._archive.of(chat).watch.parted(chat)
            before = self._before.chats.get(chat)
            if before is not None and not self._intact(before.files):
                before = None
            parts = list(parts_to_render(self._format, snapshot, before, self._media[snapshot.root]))
        except LinkError as error:
            self._fail(chat, UnreadableError(error.filename, error.strerror))
            return
        except TgbulkError as error:
            self._fail(chat, error)
            return
        if attempt == 1:
            self._listener.started(chat, snapshot.about.title or "", snapshot.row.messages)
        self._number += 1
        state = inputs(self._format, snapshot)
        state.archive = self._source(snapshot)
        job = Job(self._number, snapshot, state, parted, attempt, parts, [kept for _, kept in parts], [None] * len(parts))
        self._jobs[job.number] = job
        for part, kept in parts:
            if kept is not None:
                job.surveys[part.number] = kept.survey
            else:
                self._tasks.append(Task(job.number, snapshot, part, self._format.surveys))
                job.waiting += 1
        if not job.waiting:
            self._end(job)

    def _room(self) -> bool:
        return not self._tasks and self._pool.room

    def _work(self, until: Callable[[], bool]) -> None:
        """Hand out tasks and take answers, until there is room for those of another chat, or nothing is left."""
        while True:
            while self._tasks and self._pool.room:
                task = self._tasks.popleft()
                if task.job in self._jobs:
                    self._pool.submit(task)
            if until():
                return
            for answer in self._pool.answers():
                self._take(answer)
            self._listener.tick()

    def _take(self, answer: Answer) -> None:
        job = self._jobs.get(answer.task.job)
        if job is None:
            return  # a chat that failed, or is tried again
        if answer.error is not None:
            self._give_up(job, answer.error)
            return
        number = answer.task.part.number
        job.waiting -= 1
        if answer.task.first_pass:
            job.surveys[number] = answer.value
            if not job.waiting:
                self._second_pass(job)
            return
        part, _ = job.parts[number]
        job.done[number] = PartDone(
            number, part.start, part.messages, part.last_id, part.size, part.crc, answer.media, answer.misses,
            job.surveys[number], answer.value, True, answer.asked, answer.quoted, part.late,
        )
        self._listener.rendered(job.marked_id, part.messages)
        if not job.waiting:
            self._end(job)

    def _second_pass(self, job: Job) -> None:
        before: Any = None
        for part, kept in job.parts:
            if kept is None:
                self._tasks.append(Task(job.number, job.snapshot, replace(part, before=before), False))
                job.waiting += 1
            before = self._format.fold(before, job.surveys[part.number])

    def _give_up(self, job: Job, error: TgbulkError) -> None:
        """A part failed: the chat is tried again where a run changed it, else it failed."""
        if isinstance(error, FatalError | LimitError):
            raise error
        del self._jobs[job.number]
        self._remove_pieces(job.number)
        if isinstance(error, ChangedChatError) and job.attempt < ATTEMPTS:
            self._begin(job.marked_id, job.attempt + 1)
        else:
            self._fail(job.marked_id, error)

    def _fail(self, chat: int, error: TgbulkError) -> None:
        self._outcome.failed[chat] = error
        self._listener.failed(chat, error)

    def _end(self, job: Job) -> None:
        """All parts of a chat are there."""
        watch = self._archive.of(job.marked_id).watch
        watch.update()
        if watch.parted(job.marked_id) != job.parted:
            self._give_up(job, ChangedChatError(job.snapshot.folder))
            return
        del self._jobs[job.number]
        chat = ChatDone(job.snapshot, [one for one in job.done if one is not None], number=job.number)
        self._format.end_chat(chat, self._output)
        self._outcome.done.append(chat)
        job.state.parts, job.state.files = chat.parts, chat.files
        self._ready.append((chat, job.state))
        self._listener.ended(chat)
        if not self._format.joins_chats and time.monotonic() - self._published > PUBLISH_SECONDS:
            self._publish()

    def _publish(self) -> None:
        """Give what is ready its names. render.json knows the names before, and the chats afterwards."""
        if self._format.joins_chats:
            return
        self._state.names |= self._output.waiting
        self._state.save(self._output.folder)
        self._output.publish()
        for chat, state in self._ready:
            self._state.chats[chat.marked_id] = state
            self._remove_pieces(chat.number)
        self._ready.clear()
        self._published = time.monotonic()

    def _remove_pieces(self, job: int) -> None:
        for path in self._output.temporary.glob(f"{job}-*"):
            path.unlink()

    def _finish(self) -> None:
        """Make what concerns all chats; remove what no render has any more."""
        self._outcome.done.sort(key=lambda chat: chat.marked_id)
        files = self._format.end(self._archive, self._outcome.done, self._output)
        self._state.names |= self._output.waiting
        self._state.save(self._output.folder)
        self._output.publish()
        for chat, state in self._ready:
            self._state.chats[chat.marked_id] = state
        self._state.files = files
        self._state.tables = self._tables()
        kept = set(files) | {name for chat in self._outcome.done for name in chat.files}
        for failed in self._outcome.failed.keys() & self._before.chats.keys():
            kept |= set(self._before.chats[failed].files)
        for name in self._state.all_names() - kept:
            if not self._format.keeps(self._output, name):
                self._output.remove(name)
        self._state.names = kept
        self._state.save(self._output.folder)

    def _tables(self) -> int:
        """CRC-32 of what chats are besides their messages."""
        about = [
            [asdict(chat.snapshot.about), chat.snapshot.statement.document(), chat.snapshot.row.peer_bytes,
             chat.snapshot.row.peer_crc, *filter(None, [self._format.beside(chat.snapshot)])]
            for chat in sorted(self._outcome.done, key=lambda chat: chat.marked_id)
        ]
        pictures = sorted(self._archive.pictures().items())
        return crc32(orjson.dumps([about, pictures]))
