"""What of a chat has to be rendered again."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from tgbulk.engine.checksum import joined
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.lines import BLOCK
from tgbulk.stages.archive.peers import read_peers
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.archive.row import ChatRow
from tgbulk.stages.archive.versions import changed_since
from tgbulk.stages.render.format import Format, PartDone
from tgbulk.stages.render.part import Part, cut_parts
from tgbulk.stages.render.part_media import FileStates
from tgbulk.stages.render.state import ChatState
from tgbulk.stages.render.view import read_names


def inputs(format: Format, snapshot: ChatSnapshot) -> ChatState:
    """What a chat would be rendered from now, beside its media."""
    row = snapshot.row
    peers, changes = [row.peer_bytes, row.peer_crc], [row.change_bytes, row.change_crc]
    return ChatState(format.context(snapshot), lines_digest(row), peers, changes=changes)


def lines_digest(row: ChatRow) -> list[int]:
    """Bytes and CRC-32 of a chat's lines."""
    size = crc = 0
    for one in row.ranges:
        crc, size = joined(crc, one.crc, one.size), size + one.size
    return [size, crc]


def same(now: ChatState, before: ChatState, media: FileStates) -> bool:
    """Whether a chat would be rendered from what it was rendered from."""
    if (now.context, now.messages, now.peers) != (before.context, before.messages, before.peers):
        return False
    if now.changes != before.changes:
        return False
    return all(media.digest(part.asked) == part.media for part in before.parts)


def parts_to_render(
    format: Format, snapshot: ChatSnapshot, before: ChatState | None, media: FileStates
) -> Iterator[tuple[Part, PartDone | None]]:
    """Each part of the chat as it is now, with the same part of the last render where that can stay. ChangedChatError,
    OSError."""
    old = before.parts if before is not None and before.context == format.context(snapshot) else []
    fresh = _new_peers(format, snapshot, before) if old and before is not None else set()
    if fresh is None:
        old = []
    changed = _newly_changed(snapshot, before) if old and before is not None else None
    if changed is None:
        old = []
    for part in cut_parts(snapshot.pieces, format.part_messages, format.page_messages, snapshot.changes()):
        kept = old[part.number] if part.number < len(old) else None
        if kept is None or not _fits(part, media, kept, fresh or set()):
            old, kept = [], None
        elif changed is not None and changed.touches(part, kept):
            kept = None  # what follows shows of it only what it looked up
        yield part, kept


@dataclass(frozen=True, slots=True)
class _Changed:
    """What the last render did not know of."""

    ids: set[int]
    #: all ids up to this one
    cleared: int

    def touches(self, part: Part, kept: PartDone) -> bool:
        """Whether a part that was rendered shows any of it."""
        known = part.changes
        if known is not None and not self.ids.isdisjoint(known.lines):
            return True
        if self.cleared and part.first_id <= self.cleared:
            return True
        if kept.quoted is None:
            return bool(self.ids or self.cleared)
        return any(one in self.ids or one <= self.cleared for one in kept.quoted)


def _newly_changed(snapshot: ChatSnapshot, before: ChatState) -> _Changed | None:
    """None where the changes that the last render knew are not those that are there. ChangedChatError, OSError."""
    row, (size, crc) = snapshot.row, before.changes
    if [size, crc] == [row.change_bytes, row.change_crc]:
        return _Changed(set(), 0)
    path = snapshot.folder.changes
    if size > row.change_bytes or (size and _crc(path, size) != crc):
        return None
    return _Changed(*changed_since(path, row.change_bytes, size))


def _fits(part: Part, media: FileStates, kept: PartDone, fresh: set[int]) -> bool:
    now = part.start, part.messages, part.size, part.crc, part.last_id
    if now != (kept.start, kept.messages, kept.size, kept.crc, kept.last_id) or media.digest(kept.asked) != kept.media:
        return False
    if part.late != kept.late:
        return False
    return not fresh if kept.misses is None else fresh.isdisjoint(kept.misses)


def _new_peers(format: Format, snapshot: ChatSnapshot, before: ChatState) -> set[int] | None:
    """Peers that were not known to the last render; None where one that was is shown in another way now."""
    size, crc = before.peers
    if [size, crc] == [snapshot.row.peer_bytes, snapshot.row.peer_crc]:
        return set()
    path = snapshot.folder.peers
    if size > snapshot.row.peer_bytes or _crc(path, size) != crc:
        return None
    known = {peer: format.shown(value) for peer, value in read_peers(path, size)}
    now = read_names(snapshot, format.shown)
    if any(now[peer] != shown for peer, shown in known.items()):
        return None
    return now.keys() - known.keys()


def _crc(path: Place, size: int) -> int:
    """Of the first bytes of a file, which need not be whole lines in one that was begun anew."""
    found = 0
    with path.reader() as file:
        while size and (block := file.read(min(size, BLOCK))):
            found = crc32(block, found)
            size -= len(block)
    return found

