"""How a run ended, gathered from the messages of its processes."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tgbulk.engine.error import ExitCode
from tgbulk.stages.archive.video import VideosStated
from tgbulk.stages.collect.status import Measured
from tgbulk.stages.protocol.event import (
    ChatChanged,
    ChatEnded,
    ChatFailed,
    ChatProgress,
    ChatStarted,
    ChatStated,
    Fetched,
    FollowState,
    Stopped,
)
from tgbulk.stages.telegram.medium import MediaStated

#: Ends of chats that a feed keeps, of each kind: the newest.
MOST_KEPT = 1000


@dataclass(slots=True)
class Unlisted:
    """What is known of chats of a feed beyond the ends that are kept."""

    complete: int = 0
    failed: int = 0
    messages: int = 0
    new: int = 0
    #: of all chats that came to their end
    edited: int = 0
    deleted: int = 0
    restored: int = 0
    #: whether one of the complete ones has gaps or came short
    gaps: bool = False
    codes: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    #: it can have chats without number, and the same one more than once; whether still more could be named at its end
    fed: bool = False
    open: bool = False
    unlisted: Unlisted = field(default_factory=Unlisted)
    #: its chats come to their ends again and again; the last end of each counts
    follows: bool = False
    #: their messages are there; of some, what belongs to them is in `failed`
    ended: list[ChatEnded] = field(default_factory=list)
    failed: list[ChatFailed] = field(default_factory=list)
    #: by marked id: what can be said of the completeness of a chat that came to its end
    statements: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: what ended the run before its time
    stopped: Stopped | None = None
    interrupted: bool = False
    #: number of the signal that stopped the run, 0 for none
    signal: int = 0
    #: chats that the stop cut short or never let begin
    left: int = 0
    #: fetch's message at its end
    fetched: Fetched | None = None
    #: what became of media, None where none were wanted, or write did not come to its end
    media: MediaStated | None = None
    #: what became of videos, None likewise
    videos: VideosStated | None = None
    #: whether collect has written the metrics, the bottleneck that it named, and what kept it from that
    measured: bool = False
    bottleneck: str = ""
    unmeasured: str = ""
    #: times that all processes were started again
    restarts: int = 0
    #: by marked id: messages that a chat had before this run, however often it was started again, and has now
    before: dict[int, int] = field(default_factory=dict)
    now: dict[int, int] = field(default_factory=dict)
    #: by stream, since the processes were started: the chat, and how many of its messages are durable
    _streams: dict[int, int] = field(default_factory=dict)
    #: of a follower: the turn that ended last, and what had failed by then
    _turn: int = 0
    _failed_before: list[ChatFailed] = field(default_factory=list)
    _durable: dict[int, int] = field(default_factory=dict)
    #: of a feed: chats whose end came before their beginning, since two processes tell of them
    _early: set[int] = field(default_factory=set)
    #: by marked id: what this run learnt of chats, whether it was asked for them or not
    changed: dict[int, ChatChanged] = field(default_factory=dict)

    @property
    def complete(self) -> list[ChatEnded]:
        """Chats that came to their end with all that was asked for of them."""
        failed = {chat.marked_id for chat in self.failed}
        return [chat for chat in self.ended if chat.marked_id not in failed]

    @property
    def exit_code(self) -> ExitCode:
        """The command's exit code; docs/exit-codes.md."""
        if self.stopped:
            return ExitCode(self.stopped.code)
        media_left = any(one is not None and one.waiting for one in (self.videos, self.media))
        if self.interrupted and self.follows:
            media_left = False  # a stop is its only end, and the next one goes on with them
        elif self.interrupted and (self.left or media_left or self.open):
            return ExitCode.INTERRUPTED
        if not self.failed:
            media_failed = self.media is not None and bool(self.media.failed)
            gaps = self.unlisted.gaps or any(chat.gaps or chat.short for chat in self.complete)
            return ExitCode.PARTIAL if media_left or media_failed or gaps else ExitCode.COMPLETE
        if self.complete:
            return ExitCode.PARTIAL
        codes = self.unlisted.codes | {failure.code for failure in self.failed}
        code = ExitCode(codes.pop()) if len(codes) == 1 else ExitCode.NOTHING
        return ExitCode.PARTIAL if code is ExitCode.NOTHING and self.ended else code

    @property
    def new_messages(self) -> int:
        """That this run added and that are durable, in chats that failed or were cut short as well."""
        self._note()
        ended = set() if self.fed else {chat.marked_id for chat in self.ended}
        others = [self.now[chat] - self.before[chat] for chat in self.now if chat not in ended]
        told = [changes.new for chat, changes in self.changed.items() if chat not in ended]
        return self.unlisted.new + sum(chat.new for chat in self.ended) + sum(others) + sum(told)

    @property
    def messages(self) -> int:
        """In the chats that are complete."""
        return self.unlisted.messages + sum(chat.messages for chat in self.complete)

    @property
    def edited(self) -> int:
        """Archived messages, in whatever chat; so `deleted` and `restored`."""
        return self.unlisted.edited + sum(one.edited for one in self.changed.values())

    @property
    def deleted(self) -> int:
        return self.unlisted.deleted + sum(one.deleted for one in self.changed.values())

    @property
    def restored(self) -> int:
        return self.unlisted.restored + sum(one.restored for one in self.changed.values())

    def _note(self) -> None:
        """The two events of a chat come from two processes, in any order."""
        self.now |= {chat: self._durable[stream] for stream, chat in self._streams.items() if stream in self._durable}

    @property
    def limited(self) -> bool:
        """Whether Telegram's limit held the run up more than anything else."""
        return self.bottleneck.startswith("Telegram's limit")

    @property
    def cut_short(self) -> ExitCode:
        """The code of what ended the run before its time; COMPLETE where no more than chats or media failed."""
        return ExitCode.COMPLETE if self.exit_code in (ExitCode.PARTIAL, ExitCode.NOTHING) else self.exit_code

    def begin_again(self) -> None:
        """All processes start again: their events of chats come again."""
        self._note()
        self._streams.clear()
        self._durable.clear()
        self._early.clear()
        self.restarts += 1
        if not self.fed:  # where chats come again only if their name is not at its end
            self.ended.clear()
            self.failed.clear()
        self.left = 0
        self.fetched = None
        self.measured = False
        self.unmeasured = ""

    def receive(self, frame: Any) -> None:
        """Take a message of a process."""
        match frame:
            case ChatStarted() if frame.stream in self._early:
                self._early.discard(frame.stream)
            case ChatStarted():
                self.before.setdefault(frame.marked_id, frame.before)
                self._streams[frame.stream] = frame.marked_id
            case ChatProgress():
                self._durable[frame.stream] = frame.messages
            case ChatEnded():
                frame.new = frame.messages - self.before.get(frame.marked_id, frame.messages - frame.new)
                changes = self.changed.get(frame.marked_id)
                if changes is not None:  # what was told to be new was there before the chat was opened
                    frame.new += changes.new
                    frame.edited, frame.deleted, frame.restored = changes.edited, changes.deleted, changes.restored
                if self.follows:
                    self.ended = [one for one in self.ended if one.marked_id != frame.marked_id]
                    self.failed = [one for one in self.failed if one.marked_id != frame.marked_id]
                self.ended.append(frame)
                if self.fed:
                    self._let_go(frame)
            case ChatChanged():
                known = self.changed.setdefault(frame.marked_id, ChatChanged(frame.marked_id, 0, 0, 0, 0))
                for name in ("new", "edited", "deleted", "restored"):
                    setattr(known, name, getattr(known, name) + getattr(frame, name))
            case ChatFailed():
                if self.follows:
                    self.failed = [one for one in self.failed if one.name != frame.name]
                self.failed.append(frame)
                if self.fed and len(self.failed) > MOST_KEPT:
                    self.unlisted.failed += 1
                    self.unlisted.codes.add(self.failed.pop(0).code)
            case FollowState():
                if frame.turn != self._turn:  # each chat was tried again
                    self.failed = [one for one in self.failed if all(one is not old for old in self._failed_before)]
                    self._turn = frame.turn
                self._failed_before = list(self.failed)
            case ChatStated():
                self.statements[frame.marked_id] = frame.statement
            case MediaStated():
                self.media = frame
            case VideosStated():
                self.videos = frame
            case Fetched():
                self.fetched = frame
                self.left = frame.left
            case Stopped() if self.stopped is None:
                self.stopped = frame
            case Measured():
                self.measured = not frame.problem
                self.bottleneck = frame.bottleneck
                self.unmeasured = frame.problem

    def _let_go(self, ended: ChatEnded) -> None:
        """Nothing is kept of a chat but its end, and of ends the newest."""
        gone = self.unlisted
        if self._streams.pop(ended.stream, None) is None:
            self._early.add(ended.stream)
        self._durable.pop(ended.stream, None)
        self.before.pop(ended.marked_id, None)
        self.now.pop(ended.marked_id, None)
        self.changed.pop(ended.marked_id, None)
        gone.edited += ended.edited
        gone.deleted += ended.deleted
        gone.restored += ended.restored
        if len(self.ended) > MOST_KEPT:
            oldest = self.ended.pop(0)
            if all(one.marked_id != oldest.marked_id for one in self.failed):
                gone.complete += 1
                gone.messages += oldest.messages
            gone.new += oldest.new
            gone.gaps |= bool(oldest.gaps or oldest.short)
            if all(one.marked_id != oldest.marked_id for one in self.ended):
                self.statements.pop(oldest.marked_id, None)

    def check(self) -> None:
        """What fetch calls complete, write must have committed."""
        if self.fetched and not self.fed and not self.stopped and self.fetched.complete != len(self.ended):
            self.stopped = Stopped(
                f"{self.fetched.complete} chats were fetched, {len(self.ended)} were committed",
                "Run the same command again; if this repeats, it is a bug.",
                ExitCode.INTERNAL,
            )
        if not self.measured:
            self.unmeasured = self.unmeasured or "collect did not finish"
