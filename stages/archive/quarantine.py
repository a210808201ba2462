"""What could not be decoded: kept as it came, for a version that can, until an export has those messages.

quarantine/<marked id>-<first>-<last>.tl are the answers, back to back; the .json beside it says what they answer, how long
each is, and why it is there, with the CRC-32 of all.
"""
from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from zlib import crc32

from tgbulk.engine import document
from tgbulk.engine.durable import PART, make_folder, open_new, write_all, write_whole
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.folder import TOOL
from tgbulk.stages.archive.id_range import IdRange

#: Bytes read at a time for a checksum.
_CHUNK = 1 << 20


@dataclass(slots=True)
class RawRequest:
    """A request whose answer is kept: of getHistory, by what makes it differ from the others."""

    method: str
    offset_id: int
    add_offset: int
    limit: int


@dataclass(slots=True)
class Undecoded:
    """What the .json says of answers, but for the tool and the checksum."""

    #: marked id
    chat: int
    #: ids of the messages; a last of 0: and all above
    first: int
    last: int
    reason: str
    #: one for each answer
    requests: list[RawRequest]
    #: bytes of each answer
    sizes: list[int]
    #: version of Telethon, and the layer that it speaks
    telethon: str
    layer: int

    @property
    def ids(self) -> IdRange:
        return IdRange.from_closed([self.first, self.last])


class Quarantine:
    """The folder, for one chat."""

    def __init__(self, folder: Place, marked_id: int) -> None:
        self._folder = folder
        self._marked_id = marked_id

    def add(self, first: int, answers: bytes, offset: int) -> None:
        """Write answers, in front of which so many bytes came before; at 0, those of the same place begin anew. OSError."""
        make_folder(self._folder)
        part = self._part(first)
        descriptor = part.open(os.O_RDWR) if offset else open_new(part)
        try:
            write_all(descriptor, answers, offset)
        finally:
            os.close(descriptor)

    def keep(self, about: Undecoded) -> None:
        """Make both files durable, now that all answers were added; those of the same place are replaced. OSError."""
        part = self._part(about.first)
        descriptor = part.open(os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        content = asdict(about) | {"tool": TOOL, "answers_crc32": _crc(part)}
        described, kept = self.files(about.ids)
        part.rename(kept.name)
        write_whole(described, document.dump(content))

    def remove(self, gap: IdRange) -> None:
        """These messages are in the archive now."""
        for path in self.files(gap):
            path.unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def remove_orphans(self, gaps: list[IdRange]) -> None:
        """Files that no journal row speaks of: of a crash before the commit."""
        known = {self.files(gap)[0].stem for gap in gaps}
        for path in self._folder.glob(f"{self._marked_id}-*"):
            if path.name.split(".")[0] not in known or path.name.endswith(PART):
                path.unlink()

    def files(self, gap: IdRange) -> tuple[Place, Place]:
        """(what is known of its answers, the answers)."""
        first, last = gap.closed()
        name = f"{self._marked_id}-{first}-{last}"
        return self._folder / f"{name}.json", self._folder / f"{name}.tl"

    def is_whole(self, gap: IdRange) -> bool:
        """Whether the answers have their checksum. FileNotFoundError for either file, DamagedDocumentError, OSError."""
        about, answers = self.files(gap)
        return bool(_crc(answers) == document.load(about)["answers_crc32"])

    def _part(self, first: int) -> Place:
        return self._folder / f"{self._marked_id}-{first}.tl{PART}"


def _crc(place: Place) -> int:
    found = 0
    with place.reader() as file:
        while data := file.read(_CHUNK):
            found = crc32(data, found)
    return found
