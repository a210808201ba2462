"""What a case exports."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chat:
    """A generated supergroup."""

    name: str
    messages: int
    #: bytes of the document that each message has then; 0 for ordinary messages
    file_size: int = 0

    @property
    def username(self) -> str:
        return f"sim_{self.name}"
