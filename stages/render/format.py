"""What a format is to the frame; the package's docstring tells how to write one."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.view import View, name_of


@dataclass(slots=True)
class PartDone:
    """One part of a chat, rendered now or before."""

    number: int
    #: messages of the chat before it
    start: int
    messages: int
    last_id: int
    size: int
    crc: int
    #: digest of the states of the files that it asked for
    media: int
    #: marked ids that it looked up in vain; None: too many to keep
    misses: list[int] | None
    survey: Any
    result: dict[str, Any]
    #: whether its files wait in the temporary folder
    fresh: bool = False
    #: those files (part_media.py); None: there was no index of media
    asked: str | None = None
    #: messages of the chat that it looked up; None: too many to keep, or not known
    quoted: list[int] | None = None
    #: messages that had no line
    late: list[int] = field(default_factory=list)


@dataclass(slots=True)
class ChatDone:
    """One chat, whose parts are all there."""

    snapshot: ChatSnapshot
    parts: list[PartDone]
    #: name below OUT -> bytes of each file that belongs to the chat
    files: dict[str, int] = field(default_factory=dict)
    #: whether anything of it was rendered now
    changed: bool = True
    #: of the job that rendered it
    number: int = 0
    #: what people should know of it: sentences without a full stop
    remarks: list[str] = field(default_factory=list)

    @property
    def marked_id(self) -> int:
        return self.snapshot.marked_id

    def temporary(self, part: PartDone, name: str, output: Output) -> Path:
        """Where a fresh part left the temporary file that it called so."""
        return output.temporary / f"{self.number}-{part.number}-{name}"


class Format:
    """Subclass as a frozen slotted dataclass; its fields are its options."""

    __slots__ = ()

    #: on the command line, and in render.json
    name: ClassVar[str]
    #: another one means other bytes: everything is rendered again
    version: ClassVar[int] = 1
    part_messages: ClassVar[int] = 1 << 16
    page_messages: ClassVar[int] = 1
    #: whether the two halves of a group that became a supergroup are always rendered together (half.py)
    joins_halves: ClassVar[bool] = False
    #: whether the group in which a channel is discussed is always rendered with it (comments.py)
    joins_comments: ClassVar[bool] = False
    #: whether there is a first pass
    surveys: ClassVar[bool] = False

    @property
    def joins_chats(self) -> bool:
        """Whether files hold several chats: they get their names when all is done."""
        return False

    def options(self) -> dict[str, Any]:
        """JSON values that decide what is written; others mean rendering again."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    def check(self, archive: Catalogue) -> None:
        """Before anything is written: a TgbulkError for what is missing or cannot be."""

    def shown(self, peer: Mapping[str, Any]) -> Any:
        """What the output shows of a peer: compared with == when peers change, and given as view.names[id]."""
        return name_of(peer)

    def context(self, snapshot: ChatSnapshot) -> Any:
        """JSON values of a chat, beside its messages, peers and media, that its parts depend on."""
        about = snapshot.about
        return [about.type, about.title, list(about.usernames)]

    def beside(self, snapshot: ChatSnapshot) -> Any:
        """JSON values of a chat, beside chat.json, that `end` alone shows."""
        return None

    def survey(self, part: Part, view: View) -> Any:
        """In a worker: a small JSON value of a part, for the parts that follow."""
        raise TypeError(f"{self.name} has no survey")

    def fold(self, before: Any, survey: Any) -> Any:
        """`before` of the part that follows; it is None for the first one."""
        raise TypeError(f"{self.name} has no survey")

    def render(self, part: Part, view: View) -> dict[str, Any]:
        """In a worker: write files for the part; a small dict of JSON values."""
        raise TypeError(f"{type(self).__name__} is no format")

    def intact(self, output: Output, name: str, size: int) -> bool:
        """Whether a file of the last render is as it was left; else its chat is rendered from nothing."""
        return output.intact(name, size)

    def keeps(self, output: Output, name: str) -> bool:
        """Whether a file that no render has any more stays all the same."""
        return False

    def end_chat(self, chat: ChatDone, output: Output) -> None:
        """Put the chat's files, and name all that belong to it in chat.files."""

    def end(self, archive: Catalogue, chats: list[ChatDone], output: Output) -> dict[str, int]:
        """Put what concerns all chats; its names and bytes. Names of the last render that are not among them are removed."""
        return {}


