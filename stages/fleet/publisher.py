"""Publishes what is committed of an archive's chats, also while an export goes on."""
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any

import orjson

from tgbulk.engine.error import StorageError
from tgbulk.engine.folder import UnsafeNameError
from tgbulk.stages.archive.committed import CommittedArchive, CommittedChat, space_of
from tgbulk.stages.archive.lines import ChangedChatError
from tgbulk.stages.archive.media_reader import MediaReader
from tgbulk.stages.archive.media_rows import CarriedFile, read_carried
from tgbulk.stages.fleet.head import FILES, Head, LostChatError, PublishedPart, create_head, media_key, newest_head, raw_key
from tgbulk.stages.fleet.plan import NotBehindError, publish_stretches
from tgbulk.stages.fleet.store import ObjectStore, StoreError

#: How often a chat is looked at again that a run changed while it was read.
ATTEMPTS = 5
#: Rows of files in one part of their list.
FILES_PART = 1000
#: Files that are looked for and uploaded at a time.
UPLOADS = 8
_CHUNK = 1 << 20


class NotContinuedError(StorageError):
    """chat {0}: the store has what this archive has not; {1} wrote it"""

    advice = "Pull the chat into another archive and go on there, or push --replace to publish this one instead."


@dataclass(slots=True)
class Published:
    """What one look at an archive came to."""

    #: chats of which there was something new, and all others
    chats: int = 0
    unchanged: int = 0
    #: objects and bytes that were uploaded, without heads
    objects: int = 0
    bytes: int = 0
    #: by chat, why it could not be published
    failed: dict[int, Exception] = field(default_factory=dict)
    #: files below media/ that are not what the index says
    damaged: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "published": self.chats, "unchanged": self.unchanged, "objects": self.objects, "bytes": self.bytes,
            "failed": {str(chat): str(error) for chat, error in self.failed.items()}, "damaged": self.damaged,
        }


class Publisher:
    """Of one archive. It remembers what it published, so that the next look reads what is new and nothing else."""

    def __init__(
        self, store: ObjectStore, archive: CommittedArchive, anyway: bool = False, epoch: int | None = None
    ) -> None:
        """`anyway`: what the store has of a chat and this archive has not is left behind.

        `epoch`: publish only what was claimed with this number.
        """
        self._epoch = epoch
        self._store = store
        self._archive = archive
        self._anyway = anyway
        #: the newest known head of each chat, and the number of the first that is ours
        self._heads: dict[int, Head] = {}
        self._epochs: dict[int, int] = {}
        #: of files that are surely in the store: space and SHA-256
        self._files: set[tuple[str, str]] = set()
        self._counts = Published()

    def publish(self, chats: list[int] | None = None) -> Published:
        """Whatever is new, or of these chats. A chat that cannot be published fails itself; an error of the store ends it.

        StoreError, StoreAwayError, DamagedJournalError, OSError.
        """
        self._counts = Published()
        reader = MediaReader(self._archive.archive.media_index)
        try:
            there = self._archive.chats()
            for chat in there if chats is None else [one for one in chats if one in there]:
                try:
                    self._publish_chat(chat, reader)
                except StoreError:
                    raise
                except (StorageError, LostChatError, OSError) as error:
                    self._counts.failed[chat] = error
        finally:
            reader.close()
        return self._counts

    def _publish_chat(self, chat: int, reader: MediaReader) -> None:
        before = self._heads.get(chat) or newest_head(self._store, space_of(self._archive.row(chat)), chat)
        if self._epoch is not None and (before is None or before.epoch != self._epoch):
            raise LostChatError(chat, before.holder if before else "nobody")
        found, parts = self._publish_new(chat, before, reader)
        if before is not None and before.same(found, parts):
            self._heads[chat] = before
            self._counts.unchanged += 1
            return
        raw = {name: hashlib.sha256(data).hexdigest() for name, data in found.raw.items()}
        for name, data in found.raw.items():
            if before is None or before.raw.get(name) != raw[name]:
                self._put(raw_key(f"{found.space}/{chat}", raw[name]), data)
        number = before.number + 1 if before else 1
        epoch = self._epochs.setdefault(chat, self._epoch or number)
        head = Head(found.space, chat, number, epoch, found.row, found.about, parts, raw, found.annexes)
        create_head(self._store, head)
        self._heads[chat] = head
        self._counts.chats += 1

    def _publish_new(
        self, chat: int, before: Head | None, reader: MediaReader
    ) -> tuple[CommittedChat, dict[str, list[PublishedPart]]]:
        """(what is committed, the parts that hold it)."""
        for _ in range(ATTEMPTS):
            found = self._archive.chat(chat)
            try:
                return found, self._publish_files(found, before, reader)
            except (NotBehindError, ChangedChatError):
                if self._archive.chat(chat).row != found.row:
                    continue  # a run moved what was read
                if before is None or not before.parts:
                    raise StorageError(found.path, "it is not what was committed; tgbulk verify says more") from None
                if not self._anyway:
                    raise NotContinuedError(chat, before.holder) from None
                before = replace(before, parts={})
        raise ChangedChatError(found.path)

    def _publish_files(
        self, found: CommittedChat, before: Head | None, reader: MediaReader
    ) -> dict[str, list[PublishedPart]]:
        folder = f"{found.space}/{found.marked_id}"
        there = before.parts if before else {}
        if there.keys() - found.files.keys() - {FILES}:
            raise NotBehindError

        def put(name: str, part: PublishedPart, data: bytes) -> None:
            self._put(part.key(folder, name), data)

        parts = {
            name: publish_stretches(stretches, there.get(name, []), partial(put, name))
            for name, stretches in found.files.items()
        }
        listed = self._publish_media(found, there.get(FILES, []), reader)
        return parts | {FILES: listed} if listed else parts

    def _publish_media(
        self, found: CommittedChat, there: list[PublishedPart], reader: MediaReader
    ) -> list[PublishedPart]:
        """The parts of the list of files; the files themselves are in the store then."""
        folder, known = f"{found.space}/{found.marked_id}", set(there)
        parts = []
        rows = read_carried(reader, found.marked_id) if not reader.empty else iter(())
        for place, some in groupby(rows, lambda one: one[0] // FILES_PART):
            files = [one for _, one in some]
            part, data = _list_part(place, files)
            if part not in known:
                good = self._upload(found.space, files)
                part, data = _list_part(place, good)
                if part not in known:
                    self._put(part.key(folder, FILES), data)
            parts.append(part)
        return parts

    def _upload(self, space: str, files: list[CarriedFile]) -> list[CarriedFile]:
        """Those that are in the store now, and are what the index says."""
        with ThreadPoolExecutor(UPLOADS) as pool:
            uploaded = list(pool.map(lambda one: all([self._upload_file(space, *copy) for copy in one.copies]), files))
        return [one for one, good in zip(files, uploaded, strict=True) if good]

    def _upload_file(self, space: str, path: str, size: int, sha256: str) -> bool:
        if (space, sha256) in self._files:
            return True
        key = media_key(space, sha256)
        if self._store.size(key) != size:
            try:
                place = self._archive.archive.media / path
                digest = hashlib.sha256()
                with place.reader() as file:
                    while data := file.read(_CHUNK):
                        digest.update(data)
                if digest.hexdigest() != sha256:
                    self._counts.damaged.append(path)
                    return False
                self._store.put_file(key, place)
            except (FileNotFoundError, UnsafeNameError):
                self._counts.damaged.append(path)
                return False
            self._counts.objects += 1
            self._counts.bytes += size
        self._files.add((space, sha256))
        return True

    def _put(self, key: str, data: bytes) -> None:
        self._store.put(key, data)
        self._counts.objects += 1
        self._counts.bytes += len(data)


def _list_part(place: int, files: list[CarriedFile]) -> tuple[PublishedPart, bytes]:
    data = b"".join(_lines(files))
    lo = place * FILES_PART
    return PublishedPart(lo, lo + FILES_PART, len(data), 0, hashlib.sha256(data).hexdigest()), data


def _lines(files: list[CarriedFile]) -> Iterator[bytes]:
    return (orjson.dumps(one.document(), option=orjson.OPT_APPEND_NEWLINE) for one in files)

