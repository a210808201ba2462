"""What a part asked of the index of media, so that the next render can tell whether it would hear the same."""
from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any
from zlib import crc32

from tgbulk.stages.archive.media_reader import Key, MediaFile, MediaReader
from tgbulk.stages.telegram.medium import largest_size

#: Bytes that stand for a file's key in render.json, 8 characters there. Two keys of a million files are hardly ever the
#: same, and where they are, a part is rendered again that need not be.
NAME_BYTES = 6
#: A digest of nothing, where there is an index. 0 is that of no index.
_NOTHING = 1


class PartMedia:
    """The index of media, for one part after the other: any message may speak of a file that another one brought."""

    def __init__(self, reader: MediaReader) -> None:
        self._reader = reader
        self._seen: dict[Key, MediaFile | None] = {}

    @property
    def empty(self) -> bool:
        """Whether there is no index."""
        return self._reader.empty

    def begin(self) -> None:
        self._seen.clear()

    def find(self, keys: Sequence[Key]) -> dict[Key, MediaFile]:
        """What is known of these files. StorageError."""
        found = self._reader.find(keys)
        for key in keys:
            self._seen[key] = found.get(key)
        return found

    def asked(self) -> tuple[str | None, int]:
        """(the files that the part asked for, the digest of what it heard). None: without an index nobody asks."""
        if self.empty:
            return None, 0
        names = {name_of_key(key): one for key, one in self._seen.items()}
        digest = _NOTHING
        for name in sorted(names):
            one = names[name]
            if one is not None:
                digest = _more(digest, name, one.digest)
        return b64encode(b"".join(name.to_bytes(NAME_BYTES) for name in sorted(names))).decode(), digest

    def close(self) -> None:
        self._reader.close()


class FileStates:
    """The state of every file, small enough for millions."""

    def __init__(self, files: Iterable[MediaFile], empty: bool) -> None:
        """empty: there is no index."""
        self._empty = empty
        rows = sorted(name_of_key((one.kind, one.id, one.letter)) << 32 | one.digest for one in files)
        self._names = array("Q", (row >> 32 for row in rows))
        self._digests = array("I", (row & 0xFFFFFFFF for row in rows))

    def digest(self, asked: str | None) -> int:
        """What `PartMedia.asked` would give now for the same files. ValueError."""
        if self._empty:
            return 0
        if asked is None:
            return crc32(self._digests.tobytes(), _NOTHING)
        names, digest = b64decode(asked, validate=True), _NOTHING
        for start in range(0, len(names), NAME_BYTES):
            name = int.from_bytes(names[start : start + NAME_BYTES])
            place = bisect_left(self._names, name)
            while place < len(self._names) and self._names[place] == name:
                digest = _more(digest, name, self._digests[place])
                place += 1
        return digest


def file_keys(value: Any) -> Iterator[Key]:
    """The files that can be shown of a message's media or action: each photo, document and thumbnail in it."""
    if isinstance(value, list):
        for one in value:
            yield from file_keys(one)
        return
    if not isinstance(value, dict):
        return
    if value.get("_") == "photo":
        if (size := largest_size(value.get("sizes", []))) is not None:
            yield "photo", value["id"], size["type"]
    elif value.get("_") == "document":
        yield "document", value["id"], ""
        if (size := largest_size(value.get("thumbs", []))) is not None:
            yield "document", value["id"], size["type"]
    else:
        for one in value.values():
            yield from file_keys(one)


def name_of_key(key: Key) -> int:
    """What stands for the key of a file."""
    kind, number, letter = key
    said = f"{kind} {number} {letter}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(said, digest_size=NAME_BYTES).digest())


def _more(digest: int, name: int, state: int) -> int:
    return crc32(b"%d %d " % (name, state), digest)
