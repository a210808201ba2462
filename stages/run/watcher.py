"""Who is notified of a run while it goes on: to show it, to log it, to count it."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tgbulk.stages.archive.summary import RunSummary
from tgbulk.stages.run.outcome import Outcome


class Watcher(Protocol):
    """Called in the supervisor's process, one call at a time; none may block or raise."""

    @property
    def live(self) -> bool:
        """Whether it wants to see the stages' rates, once a second."""

    def on_start(self, run: str, chats: int) -> None:
        """A run of this id begins, of so many chats."""

    def on_event(self, event: Any) -> None:
        """A frame of stages/protocol/event.py, or of another room's messages to the supervisor."""

    def tick(self) -> None:
        """Some tenths of a second went by."""

    def on_end(self, outcome: Outcome, summary: RunSummary) -> None:
        """The run has ended, and everything is on disk."""


class Tee:
    """Several, as one."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers

    @property
    def live(self) -> bool:
        return any(one.live for one in self._watchers)

    def on_start(self, run: str, chats: int) -> None:
        for one in self._watchers:
            one.on_start(run, chats)

    def on_event(self, event: Any) -> None:
        for one in self._watchers:
            one.on_event(event)

    def tick(self) -> None:
        for one in self._watchers:
            one.tick()

    def on_end(self, outcome: Outcome, summary: RunSummary) -> None:
        for one in self._watchers:
            one.on_end(outcome, summary)
