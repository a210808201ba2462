"""Files of one chat as the index of media has them, to be carried into the index of another archive.

Only what is done is carried: of what waits or failed the next export with media finds out from the messages.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.media_index import MediaIndex
from tgbulk.stages.archive.media_reader import ROWS, MediaReader
from tgbulk.stages.archive.video_index import VIDEO_SCHEMA, VIDEO_TABLE
from tgbulk.stages.telegram.medium import MediaSelection

_FILE = ("kind", "id", "letter", "category", "size", "date", "dc", "path", "sha256", "peer")
_VIDEO = (
    "sha256", "policy", "outcome", "action", "reason", "failure", "encoder", "output", "output_size", "output_sha256",
    "original",
)
#: `original` of a video that took its file's place.
_GONE = 2


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """A row of `file`, the newest message of the chat that has it, and what became of it as a video."""

    kind: str
    id: int
    letter: str
    category: str
    size: int
    date: int
    dc: int
    path: str
    #: lower-case hex, as everywhere here
    sha256: str
    peer: int
    message: int
    video: dict[str, Any] | None = None

    @property
    def copies(self) -> list[tuple[str, int, str]]:
        """(path below media/, bytes, SHA-256) of each file that is there."""
        found = []
        if self.video is None or not self.video["original"]:
            found.append((self.path, self.size, self.sha256))
        if self.video is not None and self.video["output"]:
            found.append((self.video["output"], self.video["output_size"], self.video["output_sha256"]))
        return found

    def document(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_document(cls, found: dict[str, Any]) -> CarriedFile:
        """KeyError, TypeError, ValueError for what is none."""
        made = cls(**found)
        for sha256 in [made.sha256, *([made.video["sha256"], made.video["output_sha256"]] if made.video else [])]:
            bytes.fromhex(sha256)
        return made


def read_carried(reader: MediaReader, chat: int) -> Iterator[tuple[int, CarriedFile]]:
    """(number of the row, what is carried of it), ascending by number. StorageError."""
    columns = ", ".join(f"hex(file.{one})" if one == "sha256" else f"file.{one}" for one in _FILE)
    video, join = ", null" * (len(_VIDEO) + 1), ""
    if reader.has_videos:
        join = f"left join {VIDEO_TABLE} made on made.file = number"
        video = ", made.file" + "".join(f", hex(made.{one})" if "sha256" in one else f", made.{one}" for one in _VIDEO)
    statement = (
        f"select number, message, {columns}{video} from file join origin on origin.file = number {join}"
        " where origin.chat = ? and state = 'done' and number > ? order by number limit ?"
    )
    last, count = 0, len(_FILE)
    while rows := reader.rows(statement, (chat, last, ROWS)):
        for number, message, *values in rows:
            last = number
            about, there, made = dict(zip(_FILE, values[:count], strict=True)), values[count], values[count + 1 :]
            about["sha256"] = about["sha256"].lower()
            found = None
            if there is not None:
                found = dict(zip(_VIDEO, made, strict=True))
                found |= {name: found[name].lower() for name in _VIDEO if "sha256" in name}
                found["original"] = _GONE if found["original"] else 0
            yield number, CarriedFile(**about, message=message, video=found)


class CarriedFiles:
    """The index of media of an archive that nobody writes to meanwhile, to add rows to."""

    def __init__(self, archive: Archive) -> None:
        """StorageError, DamagedIndexError, NewerFormatError."""
        self._folder: Place = archive.media
        self._index = MediaIndex(archive.media_index, MediaSelection(frozenset(), None), damaged=True)
        self._index.execute(VIDEO_SCHEMA)

    def add(self, chat: int, one: CarriedFile) -> None:
        """The files themselves are there, durably."""
        values: list[Any] = [getattr(one, name) for name in _FILE]
        values[_FILE.index("sha256")] = bytes.fromhex(one.sha256)
        self._index.execute(
            f"insert into file ({', '.join(_FILE)}, state, reason, account, access_hash, reference, inline)"
            f" values ({', '.join('?' * len(_FILE))}, 'done', '', 0, 0, x'', x'')"
            " on conflict (kind, id, letter) do update set state = 'done', reason = '', size = excluded.size,"
            " sha256 = excluded.sha256, path = excluded.path, reference = x'', inline = x'' where state <> 'done'",
            tuple(values),
        )
        key = (one.kind, one.id, one.letter)
        self._index.execute(
            "insert into origin select number, ?, ? from file where kind = ? and id = ? and letter = ?"
            " on conflict (file, chat) do update set message = max(message, excluded.message)",
            (chat, one.message, *key),
        )
        if one.video is not None:
            made = [bytes.fromhex(one.video[name]) if "sha256" in name else one.video[name] for name in _VIDEO]
            self._index.execute(
                f"insert or ignore into {VIDEO_TABLE} (file, {', '.join(_VIDEO)})"
                f" select number, {', '.join('?' * len(_VIDEO))} from file where kind = ? and id = ? and letter = ?",
                (*made, *key),
            )

    def commit(self) -> None:
        """Durably."""
        self._index.commit()

    def close(self) -> None:
        """Without what was not committed."""
        self._index.close()
