"""An archive of one chat of whose messages some were changed, deleted, restored, or came late."""
from __future__ import annotations

from pathlib import Path
from zlib import crc32

from support.lines_archive import CHAT, LinesArchive, message, user
from tgbulk.stages.archive.changes import UPDATE, WALK, Change, ChangeKind, Sighting
from tgbulk.stages.archive.folder import Archive

VERSION, DELETED, CLEARING, RESTORED = ChangeKind.VERSION, ChangeKind.DELETED, ChangeKind.CLEARED, ChangeKind.RESTORED


def change(kind: ChangeKind, number: int, seen_at: int, text: str = "", edit_date: int = 0, how: str = UPDATE) -> Change:
    form = message(number, text, **({"edit_date": edit_date} if edit_date else {})) if text else None
    return Change(kind, number, Sighting(seen_at, how, 1, 5, 0), form)


CHANGES = [
    change(VERSION, 2, 100, "two, better", 90),
    change(DELETED, 3, 101, how=WALK),
    change(VERSION, 2, 102, "two, best", 95),
    change(RESTORED, 5, 103, "late five"),
    change(DELETED, 6, 104),
    change(RESTORED, 6, 105, "message 6"),
    change(DELETED, 2, 106),
    change(RESTORED, 11, 107, "late eleven"),
]


def put(root: Path, changes: list[Change] = CHANGES, **counts: int) -> Archive:
    """A chat with messages 1 to 4, 6 to 10 and these changes."""
    made = LinesArchive(root)
    made.put([message(n) for n in (1, 2, 3, 4, 6, 7, 8, 9, 10)], [user(7, "Ann")])
    change_again(made, changes, **counts)
    return Archive(root)


def change_again(made: LinesArchive, changes: list[Change], hi: int = 12, **counts: int) -> None:
    """These are all the changes now; ids are covered up to below hi."""
    data = b"".join(one.line() for one in changes)
    row = made.row(CHAT)
    (made.root / "chats" / str(CHAT) / "changes.jsonl").write_bytes(data)
    row.change_bytes, row.change_crc, row.looked = len(data), crc32(data), 200
    row.ranges[0].hi = hi
    for name, value in ({"versions": 2, "deleted": 2, "late": 2} | counts).items():
        setattr(row, name, value)
    made.commit(row)
