"""A run's export: names become chats, chats are walked side by side, each ends complete or with its reason."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from telethon import errors

from tgbulk.engine.error import ExitCode, NetworkError, TgbulkError
from tgbulk.stages.archive.about import asked_ids
from tgbulk.stages.archive.annex import AnnexName
from tgbulk.stages.archive.id_range import EVERYTHING, IdRange
from tgbulk.stages.fetch.accounts import Accounts, without
from tgbulk.stages.fetch.annexes import Annexes, title
from tgbulk.stages.fetch.bucket import Halted
from tgbulk.stages.fetch.changes import Changes
from tgbulk.stages.fetch.config import FetchConfig
from tgbulk.stages.fetch.error import ACCOUNT_LOST, ChatError, FloodParkedError, TroubledError, UnreachableError
from tgbulk.stages.fetch.history import METHOD
from tgbulk.stages.fetch.lane import Lane
from tgbulk.stages.fetch.missing import MissingRanges, WalkRange
from tgbulk.stages.fetch.name import ChatName, Way, parse_name
from tgbulk.stages.fetch.names import ChatNames
from tgbulk.stages.fetch.parts import Located, locate, unite
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.plan import Plan
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.fetch.recheck import Recheckable
from tgbulk.stages.fetch.resolver import CHANNELS, Target, before_migration, refusal
from tgbulk.stages.fetch.selection import bounds
from tgbulk.stages.fetch.updates import Updates
from tgbulk.stages.fetch.walk import Probe, Walk
from tgbulk.stages.protocol.event import ChatFailed, ChatStarted, Notice
from tgbulk.stages.protocol.request import Refusal
from tgbulk.stages.telegram.chat import ACCOUNT_SPACE

if TYPE_CHECKING:
    from tgbulk.stages.fetch.media.downloads import Downloads

#: Names looked up at a time, ahead of the chats under way.
FINDERS = 3
#: Accounts that look up names beside each other.
MOST_TURNS = 4
#: Small chats under way at a time, at most: each has files open, and its peers in memory.
MOST_CHATS = 64
#: Chats at whose annexes is looked at a time, before no further one begins: each has files open.
MOST_LOOKS = 8
#: Chats in a row at which the server keeps failing: no other one is tried then.
TROUBLED = 3

#: Seconds after which a feed saves the peers of its names again.
SAVE_SECONDS = 10.0

#: What to do about a name that has moved.
ANOTHER = "Name that one, or the old one's id."
#: Why a chat is not complete that came to its end.
GAPS = "messages of it cannot be decoded; they are kept as they came"

_REFUSALS = {
    Refusal.OTHER_ACCOUNT: (
        "the archive has it with the message ids of another account",
        "Message ids of private chats and basic groups differ for every account: use that account, or another archive.",
    ),
    Refusal.DAMAGED: (
        "its files in the archive are shorter than what was committed",
        "Move the chat's folder away, or export it into another archive.",
    ),
    Refusal.LINK: (
        "its folder in the archive, or a file in it, is a link, which is not followed",
        "Move the link away; only media/ may be one.",
    ),
    Refusal.LOST: (
        "its chat.json knows of more messages than the journal, which has lost records",
        "Restore the journal from a copy, or let `tgbulk verify --repair` move the chat aside and export it again.",
    ),
}


class Export:
    """The chats of one run."""

    def __init__(
        self,
        readers: list[Reader],
        pipeline: Pipeline,
        notify: Callable[[object], None],
        config: FetchConfig,
        stopping: asyncio.Event,
        downloads: Downloads | None = None,
        streams: Iterator[int] | None = None,
        names: ChatNames | None = None,
    ) -> None:
        """streams: numbers of chats that no other export of the run has had; names: instead of the configuration's."""
        self._accounts = Accounts(readers, notify, self.lost)
        self._readers = readers
        self._pipeline = pipeline
        self._notify = notify
        self._config = config
        self._names = names or ChatNames(enumerate(config.chats))
        self._stopping = stopping
        self._downloads = downloads
        self._annexes = Annexes(pipeline, notify, config.annexes)
        self._losing = asyncio.Lock()
        #: when an account was left out that is answered no more: what the pipeline had moved, and the loop's time
        self._gone = -1, 0.0
        self._looking = 0
        self._looked = asyncio.Event()
        self._plan = Plan(min(MOST_CHATS, config.in_flight * len(readers)))
        self._seen: set[int] = set()
        #: parts of chats that wait until all names are known: others of the same chat may come
        self._parts: list[tuple[Reader, Located]] = []
        self._finding = 0
        #: of a feed, by marked id: what was named while the chat was under way already
        self._again: dict[int, list[tuple[Reader, Target, Sequence[IdRange], int]]] = {}
        self._streams = streams or count()
        self._changes = Changes(self._accounts, pipeline, notify, config, self._names, self._met)
        self._opened = 0
        self._skipped = 0
        #: when the peers were saved, the loop's time
        self._saved = 0.0
        self._troubled = 0
        #: chats that reached their end, and those known that did not
        self.done: set[int] = set()
        self.failed: set[int] = set()

    @property
    def updates(self) -> dict[int, Updates]:
        """By the number of the account's reader."""
        return self._changes.updates

    @property
    def left(self) -> int:
        """Chats that a stop cut short or never let begin."""
        return self._skipped + self._opened

    async def run(self) -> None:
        """Export every chat; one that fails does not stop the others. What ends the run is raised."""
        await self._changes.learn()
        async with asyncio.TaskGroup() as outer:
            stopper = outer.create_task(self._stop_plan())
            closer = outer.create_task(self._close_buckets())
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._look_for(self._names, FINDERS * min(MOST_TURNS, len(self._readers)))
                for reader in self._readers:
                    group.create_task(self._lane(reader).run())
            stopper.cancel()
            closer.cancel()
        if all(reader.failure for reader in self._readers):
            raise next(reader.failure for reader in self._readers if reader.failure)

    def _met(self) -> None:
        if self._downloads:
            self._downloads.met()

    def _lane(self, reader: Reader) -> Lane:
        return Lane(self._plan, reader, self._pipeline, self._stopping.is_set, self._notify, self, self._downloads)

    async def _stop_plan(self) -> None:
        await self._stopping.wait()
        self._names.close()
        self._plan.stop()
        self._looked.set()
        for reader in self._readers:
            reader.caller.halt()

    async def _close_buckets(self) -> None:
        """Lanes that stand at a bucket, perhaps for a flood wait, have nothing to wait for when all chats have ended."""
        await self._plan.over.wait()
        for reader in self._readers:
            reader.caller.bucket(METHOD).shut(Halted())

    def _look_for(self, names: ChatNames, finders: int, fresh: bool = False) -> None:
        """Put the chats of these names under way, some names at a time."""
        self._finding += finders
        for _ in range(finders):
            self._plan.expect()
            self._group.create_task(self._find(names, fresh)).add_done_callback(lambda _: self._plan.expect_no_more())

    async def _find(self, names: ChatNames, fresh: bool) -> None:
        async for place, name in names:
            if self._stopping.is_set():
                self._skipped += 1
                continue
            await self._attempt(name.text, self._locate(name, place, fresh), place)
            now = asyncio.get_running_loop().time()
            if names.fed and now - self._saved >= SAVE_SECONDS:
                self._saved = now
                self._save_peers()
        self._finding -= 1
        if not self._finding:
            await self._begin_parts()
        self._save_peers()

    def _save_peers(self) -> None:
        """After a run that is killed the names need not be looked up again."""
        for reader in self._readers:
            with suppress(OSError):  # the end of the run tells of it
                reader.cache.save()

    async def _begin_parts(self) -> None:
        readers = {id(located.target): reader for reader, located in self._parts}
        united = unite(located for _, located in self._parts)
        self._parts.clear()
        for one in united:
            if self._stopping.is_set():
                self._skipped += 1
                continue
            await self._attempt(one.target.name, self._begin(readers[id(one.target)], one.target, 0, one.ids))

    async def _attempt(self, name: str, work: Coroutine[Any, Any, object], place: int = 0) -> None:
        """What fails for this name alone is told; what ends the run is raised."""
        try:
            await work
        except (ChatError, FloodParkedError, *ACCOUNT_LOST, TroubledError) as error:
            if isinstance(error, UnreachableError) and not self._accounts.alive:
                raise
            self._fail(name, 0, error, place=place)
        except errors.RPCError as error:
            self._fail(name, 0, refusal(name, error), place=place)
        except Halted:
            self._skipped += 1
            return
        self._names.end(place)

    async def _locate(self, name: ChatName, place: int, fresh: bool) -> None:
        """Put the chat under way, or keep the part of it that is meant."""
        reader, target = await self._accounts.resolve(name, place, fresh)
        if (part := name.part) is not None:
            ask = lambda one: locate(part, target, one.caller, one.resolver)  # noqa: E731
            reader, located = await self._accounts.ask(reader, target, ask)
            for remark in located.remarks:
                self._notify(Notice(f"{name.text}: {remark}"))
            if self._names.fed:
                await self._begin(reader, located.target, place, located.ids)
            else:
                self._parts.append((reader, located))
            return
        older = await self._older_half(name, reader, target, place)
        reader = await self._begin(reader, target, place)
        if older is not None:
            await self._begin(*older, place)
        if self._config.comments:
            await self._begin_comments(reader, target, place)

    async def _begin_comments(self, reader: Reader, target: Target, place: int) -> None:
        """One walk of the group in which a channel is discussed has all comments (docs/spec/history-fetching.md 3)."""
        try:
            reader, discussion = await self._accounts.ask(reader, target, lambda one: one.resolver.discussion(target))
        except (ChatError, FloodParkedError, TroubledError) as error:
            self._fail(f"{target.name} (comments)", target.record.linked or 0, error, place=place)
            return
        if discussion is not None and (self._names.fed or discussion.record.marked_id not in self._seen):
            await self._begin(reader, discussion, place)

    async def _older_half(
        self, name: ChatName, reader: Reader, target: Target, place: int
    ) -> tuple[Reader, Target] | None:
        try:
            return await self._accounts.older_half(name, reader, target)
        except (FloodParkedError, TroubledError) as error:
            self._fail(before_migration(target), 0, error, place=place)
            return None

    async def _begin(
        self, reader: Reader, target: Target, place: int = 0, ids: Sequence[IdRange] = (EVERYTHING,)
    ) -> Reader:
        """Open the chat in the archive and put it under way. place: the number of its name; ids: the part of it that is
        meant, ascending and apart.

        Who reads it: another account where this one is lost over the first question."""
        marked = target.record.marked_id
        if marked not in self._seen:
            self._seen.add(marked)
            try:
                return await self._open(reader, target, place, ids)
            except BaseException:
                self._release(marked)
                raise
        if self._names.fed:  # what happened since it was begun belongs to the later name
            self._names.begin(place)
            self._plan.expect()
            self._again.setdefault(marked, []).append((reader, target, ids, place))
        else:
            self._notify(Notice(f"{target.name}: the same chat was named twice; it is exported once"))
        return reader

    def _release(self, marked: int) -> None:
        """The chat is not under way any more: in a feed it can be named again, and perhaps was."""
        if self._names.fed:
            self._seen.discard(marked)
        for reader, target, ids, place in self._again.pop(marked, []):
            task = self._group.create_task(self._attempt(target.name, self._begin(reader, target, place, ids), place))
            task.add_done_callback(lambda _: self._plan.expect_no_more())

    async def _open(self, reader: Reader, target: Target, place: int, ids: Sequence[IdRange]) -> Reader:
        marked, record = target.record.marked_id, target.record
        await self._plan.room()
        while self._looking >= MOST_LOOKS and not self._stopping.is_set():
            self._looked.clear()
            await self._looked.wait()
        stream = next(self._streams)
        ask = lambda one: bounds(self._config.selection, target, stream, one.caller, self._pipeline, ids)  # noqa: E731
        reader, wanted = await self._accounts.ask(reader, target, ask, (*ACCOUNT_LOST, FloodParkedError))
        record.asked = IdRange(wanted[0].lo, wanted[-1].hi).closed()
        record.asked_ranges = [one.closed() for one in wanted] if len(wanted) > 1 else None
        record.named = target.name
        told = await self._changes.ask(reader, target, place, marked in self.done)
        reply = await self._pipeline.open_chat(stream, record)
        if reply.refusal:
            raise ChatError(target.name, *_REFUSALS[reply.refusal], "storage")
        self._opened += 1
        if reply.unlooked:
            await self._changes.recheck(Recheckable(target, stream, reader, self._pipeline, reply.pts), reply.unlooked)
        last = wanted[-1]
        if told and reply.looked and not reply.behind and reply.covered and not last.bounded:
            wanted = [*wanted[:-1], IdRange(last.lo, max(last.lo, reply.covered[-1].hi))]  # what lies above was told
        walk = Walk(
            target,
            stream,
            MissingRanges.of(reply.covered, *wanted),
            {reader.number: target.peer},
            _message_ranges(reader, target),
            reply.messages,
            self._config.in_flight > 1,
            target.record.type not in ACCOUNT_SPACE,
            explained=reply.explained,
            counted=reply.counted,
            unboxed=record.type in CHANNELS and not reply.pts and self._changes.updates[reader.number].told,
            told=reply.pts,
            place=place,
        )
        walk.missing.cut([one.min_id for one in walk.message_ranges])
        if reader.failure:  # it was lost meanwhile
            self._replace(walk, reader.number)
            walk.forget(reader.number, reader.failure)
        if self._downloads:
            self._downloads.know(marked, walk.peers)
        self._names.begin(place)
        self._plan.add(walk)
        if walk.ended:
            self._plan.remove(walk)
            if not walk.failure:
                self._notify(ChatStarted(stream, marked, record.title, -1, reply.messages))
                self.first(walk, reader)
            await self.end(walk)
        return reader

    def first(self, walk: Walk, reader: Reader) -> None:
        """A username of the cache may have moved: its chat says so itself, and the name is then resolved anew."""
        if not reader.resolver.proved(walk.target):
            walk.target.by_username = None
            self._notify(Notice(f"{walk.target.name} is not this chat's name any more: {walk.target.record.title}"))
            self._names.begin(walk.place)
            self._look_for(ChatNames([(walk.place, parse_name(walk.target.name))]), 1, fresh=True)

    def migrated(self, walk: Walk, reader: Reader) -> None:
        """Its supergroup comes along, as it does where that is known when the name is looked up."""
        self._names.begin(walk.place)
        self._plan.expect()
        work = self._attempt(walk.target.name, self._begin_newer_half(walk, reader), walk.place)
        self._group.create_task(work).add_done_callback(lambda _: self._plan.expect_no_more())

    async def _begin_newer_half(self, walk: Walk, reader: Reader) -> None:
        target = await reader.resolver.resolve(ChatName(walk.target.name, Way.ID, str(walk.target.record.marked_id)))
        if target.record.marked_id not in self._seen:
            await self._begin(reader, target, walk.place)

    async def stale(
        self, walk: Walk, reader: Reader, job: WalkRange | Probe, peer: object, error: errors.RPCError
    ) -> None:
        """A peer of the cache is resolved once more; any other is what Telegram says it is."""
        async with walk.renewal:
            if walk.peers.get(reader.number) is not peer or walk.failure or reader.failure:
                walk.release(job)  # another request of the same peer has settled it
            elif walk.target.cached:
                await self._renew(walk, reader, job)
            else:
                walk.fail(refusal(walk.target.name, error))

    async def _renew(self, walk: Walk, reader: Reader, job: WalkRange | Probe) -> None:
        target = walk.target
        target.cached = False
        reader.resolver.forget(target)
        try:
            found = await reader.resolver.resolve(parse_name(target.name), fresh=True)
            if found.record.marked_id != target.record.marked_id:
                raise ChatError(target.name, "the name leads to another chat now", ANOTHER, "not_found")
            walk.release(job)
            if reader.failure:
                walk.forget(reader.number, reader.failure)
            else:
                walk.peers[reader.number] = found.peer
        except Halted:
            target.cached = True
            walk.release(job)
        except ACCOUNT_LOST as failure:
            await self.lost(reader, failure)
            walk.lose(reader.number, job, failure)
        except (ChatError, FloodParkedError, TroubledError) as failure:
            walk.fail(failure)

    async def lost(self, reader: Reader, failure: TgbulkError) -> None:
        """The account is out, and chats that only it can read have failed; where it is not the last one, that is no more
        than worth telling. UnreachableError where the others get no further either."""
        async with self._losing:
            gone = isinstance(failure, UnreachableError)
            if gone and not reader.failure:
                # Where one has taken over since, and got no further, it is not for the account.
                moves, since = self._gone
                fruitless = moves == self._pipeline.moves and reader.caller.answered_at > since
                if fruitless or not await self._accounts.outlive(reader):
                    for one in self._accounts.alive:
                        one.failure = failure
                self._gone = self._pipeline.moves, asyncio.get_running_loop().time()
            if gone and not self._accounts.alive:
                raise failure
            if reader.failure:
                return
            reader.failure = failure
        reader.caller.withdraw()
        if self._accounts.alive:
            self._notify(without(reader.access.account, failure))
        else:
            self._names.close()
        for walk in self._plan:
            self._replace(walk, reader.number)
        for walk in self._plan.orphans(reader.number, failure):
            self._plan.remove(walk)
            await self.end(walk)

    def _replace(self, walk: Walk, lost: int) -> None:
        """Let another account look up a chat that only this reader has read, and read it from now on."""
        if walk.failure or walk.ended or walk.joining or not walk.shared or not walk.peers.keys() <= {lost}:
            return
        other = next((one for one in self._accounts.alive if one.number not in walk.refused), None)
        if other is not None:
            walk.joining.add(other.number)
            self._group.create_task(self._join(walk, other))

    def idle(self, reader: Reader) -> None:
        """An account without a job joins the chat that it helps most; only then is a look-up worth its price."""
        walk = None if self._stopping.is_set() or reader.failure else self._plan.joinable(reader.number)
        if walk is not None:
            walk.joining.add(reader.number)
            self._group.create_task(self._join(walk, reader))

    async def _join(self, walk: Walk, reader: Reader) -> None:
        try:
            target = await self._accounts.look_up(reader, parse_name(walk.target.name))
        except Halted:
            return
        finally:
            walk.joining.discard(reader.number)
        if target is None or target.record.marked_id != walk.target.record.marked_id:
            walk.refused.add(reader.number)
        elif not reader.failure:
            walk.peers[reader.number] = target.peer
        if not (walk.peers or walk.joining or walk.ended):  # who read it was lost meanwhile
            self._replace(walk, reader.number)
            walk.forget(reader.number, next(one.failure for one in self._readers if one.failure))
            if walk.ended:
                self._plan.remove(walk)
                await self.end(walk)
        self._plan.notify()

    async def end(self, walk: Walk) -> None:
        """Close the chat in the archive, and tell why if it failed."""
        waiting = await self._look_at_annexes(walk) if not walk.failure and self._config.annexes else {}
        record = walk.target.record
        record.state = "failed" if walk.failure else "gaps" if walk.gaps else "complete"
        record.pages, record.ranges = walk.pages, walk.ranges
        record.short = 0 if walk.failure or walk.gaps or asked_ids(record) != [EVERYTHING] else walk.short
        if record.short:
            said = f"Telegram counts {record.short:,} messages more than it gives, which is more than a tenth"
            self._notify(Notice(f"{walk.target.name}: {said}; `tgbulk verify --against-server` asks for all of them again"))
        record.reason = str(walk.failure) if walk.failure else GAPS if walk.gaps else None
        await self._pipeline.close_chat(walk.stream, record)
        self._opened -= 1
        if walk.failure:
            self._fail(walk.target.name, record.marked_id, walk.failure, place=walk.place)
            self._names.end(walk.place)
        else:
            self.done.add(record.marked_id)
            if waiting:
                names = ", ".join(map(title, waiting))
                said = f"not whole: its {names}: " if walk.gaps else f"its messages are whole, its {names} not: "
                self._fail(walk.target.name, record.marked_id, next(iter(waiting.values())), said, walk.place)
            else:
                self._troubled = 0
            self._names.end(walk.place, walk.stream)
        self._release(record.marked_id)

    async def _look_at_annexes(self, walk: Walk) -> dict[AnnexName, TgbulkError]:
        """With the first account that reads the chat; those that are not whole, and why."""
        target = walk.target
        looked: dict[AnnexName, TgbulkError | None] = {}
        self._looking += 1
        try:
            reader = next((one for one in self._accounts.alive if one.number in walk.peers), None)
            if reader is None:  # who read it was lost meanwhile
                reader = await self._accounts.another(target, next(r.failure for r in self._readers if r.failure))
            else:
                target.peer = walk.peers[reader.number]
            await self._accounts.ask(
                reader, target, lambda one: self._annexes.look(one, target, walk.stream, looked)
            )
        except Halted:
            self._skipped += 1
        except (*ACCOUNT_LOST, FloodParkedError) as error:
            looked = dict.fromkeys(self._annexes.of(target), error) | looked
        finally:
            self._looking -= 1
            self._looked.set()
        return {name: failure for name, failure in looked.items() if failure}

    def _fail(self, name: str, marked_id: int, error: TgbulkError, what: str = "", place: int = 0) -> None:
        """what: of the chat it concerns, where that is not all of it; place: the number of its name."""
        reason = what + str(error).removeprefix(f"{name}: ")
        code = error.exit_code if isinstance(error, FloodParkedError | NetworkError) else ExitCode.NOTHING
        about = error.kind, error.retryable, error.retry_after, error.telegram
        self._notify(ChatFailed(name, marked_id, reason, error.hint, int(code), *about))
        if marked_id:
            self.failed.add(marked_id)
        self._names.fail(place, int(code))
        self._troubled = self._troubled + 1 if isinstance(error, TroubledError) else 0
        if self._troubled == TROUBLED:
            raise error


def _message_ranges(reader: Reader, target: Target) -> list[Any]:
    """In a takeout, private chats and basic groups are asked range by range (docs/spec/history-fetching.md 4)."""
    takeout = reader.caller.takeout
    return takeout.ranges if takeout and target.record.type in ACCOUNT_SPACE else []
