"""How a run ended, gathered from what its processes say."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.error import ExitCode
from stages.collect.status import Measured
from stages.event import ChatEnded, ChatFailed, ChatStarted, ChatStated, Fetched, Stopped
from stages.film import FilmsStated
from stages.medium import MediaStated


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    complete: list[ChatEnded] = field(default_factory=list)
    failed: list[ChatFailed] = field(default_factory=list)
    #: by marked id: what can be said of the completeness of a chat that came to its end
    statements: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: what ended the run before its time
    stopped: Stopped | None = None
    interrupted: bool = False
    #: chats that the stop cut short or never let begin
    left: int = 0
    #: what fetch said at its end
    fetched: Fetched | None = None
    #: what became of media, None where none were wanted, or write did not come to its end
    media: MediaStated | None = None
    #: what became of films, None likewise
    films: FilmsStated | None = None
    #: whether collect has written the metrics, the bottleneck that it named, and what kept it from that
    measured: bool = False
    bottleneck: str = ""
    unmeasured: str = ""
    #: times that all processes were started again
    restarts: int = 0
    #: by marked id: messages that a chat had before this run, however often it was started again
    before: dict[int, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """The command's exit code; docs/exit-codes.md."""
        if self.stopped:
            return ExitCode(self.stopped.code)
        films_left = self.films is not None and self.films.waiting > 0
        media_left = films_left or (self.media is not None and self.media.waiting > 0)
        if self.interrupted and (self.left or media_left):
            return ExitCode.INTERRUPTED
        if not self.failed:
            media_failed = self.media is not None and bool(self.media.failed)
            gaps = any(chat.gaps for chat in self.complete)
            return ExitCode.PARTIAL if media_left or media_failed or gaps else ExitCode.COMPLETE
        if self.complete:
            return ExitCode.PARTIAL
        codes = {failure.code for failure in self.failed}
        return ExitCode(codes.pop()) if len(codes) == 1 else ExitCode.NOTHING

    def begin_again(self) -> None:
        """All processes start again: what they said of chats will be said again."""
        self.restarts += 1
        self.complete.clear()
        self.failed.clear()
        self.left = 0
        self.fetched = None
        self.measured = False
        self.unmeasured = ""

    def hear(self, frame: Any) -> None:
        """Take in what a process says."""
        match frame:
            case ChatStarted():
                self.before.setdefault(frame.marked_id, frame.before)
            case ChatEnded():
                frame.new = frame.messages - self.before.get(frame.marked_id, frame.messages - frame.new)
                self.complete.append(frame)
            case ChatFailed():
                self.failed.append(frame)
            case ChatStated():
                self.statements[frame.marked_id] = frame.statement
            case MediaStated():
                self.media = frame
            case FilmsStated():
                self.films = frame
            case Fetched():
                self.fetched = frame
                self.left = frame.left
            case Stopped() if self.stopped is None:
                self.stopped = frame
            case Measured():
                self.measured = not frame.problem
                self.bottleneck = frame.bottleneck
                self.unmeasured = frame.problem

    def check(self) -> None:
        """What fetch calls complete, write must have committed."""
        if self.fetched and not self.stopped and self.fetched.complete != len(self.complete):
            self.stopped = Stopped(
                f"{self.fetched.complete} chats were fetched, {len(self.complete)} were committed",
                "Run the same command again; if this repeats, it is a bug.",
                ExitCode.INTERNAL,
            )
        if not self.measured:
            self.unmeasured = self.unmeasured or "collect did not finish"
