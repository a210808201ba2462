"""Where a process begins: named, so that who starts it need not import it."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Context = TypeVar("Context")


@dataclass(slots=True)
class EntryPoint(Generic[Context]):
    """`module:function`, to be called with its control channel and a Context in the new process."""

    name: str
