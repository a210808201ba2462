"""Somebody who is told how a render goes on, and says nothing."""
from __future__ import annotations

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.render.format import ChatDone


class Silent:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.failures: dict[int, TgbulkError] = {}
        #: by chat: parts that were rendered
        self.fresh: dict[int, list[int]] = {}

    def started(self, marked_id: int, title: str, messages: int) -> None:
        """Begins."""

    def rendered(self, marked_id: int, messages: int) -> None:
        """Goes on."""

    def ended(self, chat: ChatDone) -> None:
        self.fresh[chat.marked_id] = [part.number for part in chat.parts if part.fresh]

    def failed(self, marked_id: int, error: TgbulkError) -> None:
        self.failures[marked_id] = error

    def tick(self) -> None:
        """Time passes."""
