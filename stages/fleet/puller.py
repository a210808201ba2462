"""Makes chats of a store into chats of an archive, which `export` continues."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson

from tgbulk.engine.durable import PART, make_folder, open_new, sync_folder, write_all
from tgbulk.engine.error import StorageError, UsageError
from tgbulk.engine.folder import Place, UnsafeNameError
from tgbulk.stages.archive.about import is_about
from tgbulk.stages.archive.annex import load_annexes
from tgbulk.stages.archive.committed import PUBLIC
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.media_rows import CarriedFile, CarriedFiles
from tgbulk.stages.archive.restored import Restored, carried
from tgbulk.stages.archive.row import ChatRow
from tgbulk.stages.fleet.head import FILES, DamagedStoreError, Head, PublishedPart, media_key, newest_head, raw_key
from tgbulk.stages.fleet.store import NoObjectError, ObjectStore, StoreError

#: How often a chat is begun again whose parts were pruned meanwhile.
ATTEMPTS = 3
DOWNLOADS = 8


class OtherChatError(StorageError):
    """chat {0}: the archive has another state of it than the store"""

    advice = "Push it first, or give --replace to put the store's in its place."


@dataclass(slots=True)
class Pulled:
    """What it came to."""

    chats: list[int] = field(default_factory=list)
    unchanged: int = 0
    failed: dict[int, Exception] = field(default_factory=dict)


def spaces(store: ObjectStore) -> list[str]:
    """Those that hold chats. StoreError."""
    return [name for name in store.names() if name == PUBLIC or name.isdecimal()]


def chats_of(store: ObjectStore, space: str) -> list[int]:
    """Marked ids, ascending. StoreError."""
    return sorted(int(name) for name in store.names(space) if name.removeprefix("-").isdecimal())


def chosen_spaces(store: ObjectStore, account: str | None) -> list[str]:
    """The public chats, and those of one account: chats of two accounts may have the same id. UsageError, StoreError."""
    others = [name for name in spaces(store) if name != PUBLIC]
    if account is None and len(others) > 1:
        raise UsageError(f"the store has chats of {len(others)} accounts ({', '.join(others)}): choose one with --space")
    return [PUBLIC, *([account] if account not in (None, PUBLIC) else others if account is None else [])]


class Puller:
    """Into one archive, whose lock is the caller's."""

    def __init__(self, store: ObjectStore, archive: Archive, anyway: bool = False) -> None:
        """`anyway`: what the archive has of a chat and the store has not is left behind. DamagedJournalError, OSError."""
        self._store = store
        self._archive = archive
        self._anyway = anyway
        self._restored = Restored(archive)
        self._files: CarriedFiles | None = None

    def pull(self, space: str, chats: Iterable[int]) -> Pulled:
        """A chat that cannot be had fails itself. StoreAwayError."""
        done = Pulled()
        for chat in chats:
            try:
                if self.pull_chat(space, chat):
                    done.chats.append(chat)
                else:
                    done.unchanged += 1
            except (StorageError, UsageError, OSError) as error:
                done.failed[chat] = error
        return done

    def pull_chat(self, space: str, chat: int) -> Head | None:
        """The head that the chat was made of; None where it is as it should be. OtherChatError, StoreError, OSError."""
        for _ in range(ATTEMPTS):
            head = newest_head(self._store, space, chat)
            if head is None:
                raise UsageError(f"the store has no chat {chat} in {space}")
            if head.row is None or head.about is None or self._has(head):
                return None
            try:
                self._restore(head, head.row, head.about)
                return head
            except NoObjectError as error:
                missing = error  # it was pruned, where a newer head came meanwhile
                if newest_head(self._store, space, chat) == head:
                    break
        raise DamagedStoreError(self._store.url, f"{space}/{chat}", f"{missing.args[1]} is missing")

    def close(self) -> None:
        self._restored.close()
        if self._files is not None:
            self._files.close()

    def _has(self, head: Head) -> bool:
        """Whether the archive has the chat as the head says. OtherChatError where it has it otherwise."""
        assert head.row is not None
        row = self._restored.rows.get(head.chat)
        if row is None or not row.committed:
            return False
        if row.account != head.row.account and head.space != PUBLIC:
            raise OtherChatError(head.chat)
        folder = self._archive.chat(head.chat)
        same = carried(row) == carried(head.row) and is_about(folder, head.about)
        if same and {name: one.to_document() for name, one in load_annexes(folder).items()} == head.annexes:
            return True
        if not self._anyway:
            raise OtherChatError(head.chat)
        return False

    def _restore(self, head: Head, row: ChatRow, about: dict[str, Any]) -> None:
        raw = {name: self._checked(raw_key(head.folder, sha256), sha256) for name, sha256 in head.raw.items()}
        files = {
            name: self._lines(head, name, parts) for name, parts in head.parts.items() if name != FILES
        }
        self._restored.add(row, about, files, raw, head.annexes)
        listed = [one for part in head.parts.get(FILES, []) for one in self._listed(head, part)]
        if listed:
            self._restore_files(head, listed)

    def _lines(self, head: Head, name: str, parts: list[PublishedPart]) -> Iterator[bytes]:
        for part in sorted(parts, key=lambda one: one.lo):
            yield self._checked(part.key(head.folder, name), part.sha256)

    def _listed(self, head: Head, part: PublishedPart) -> Iterator[CarriedFile]:
        key = part.key(head.folder, FILES)
        for line in self._checked(key, part.sha256).splitlines():
            try:
                yield CarriedFile.from_document(orjson.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise DamagedStoreError(self._store.url, key, str(error)) from error

    def _checked(self, key: str, sha256: str) -> bytes:
        data = self._store.get(key)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DamagedStoreError(self._store.url, key, "it is not what was written")
        return data

    def _restore_files(self, head: Head, files: list[CarriedFile]) -> None:
        if self._files is None:
            self._files = CarriedFiles(self._archive)
        copies = {copy for one in files for copy in one.copies}
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            list(pool.map(lambda copy: self._restore_file(head.space, *copy), copies))
        for one in files:
            self._files.add(head.chat, one)
        self._files.commit()

    def _restore_file(self, space: str, path: str, size: int, sha256: str) -> None:
        """Where it is not there as it should be."""
        try:
            place = self._archive.media / path
        except UnsafeNameError as error:
            raise StoreError(self._store.url, f"it names a file outside of media/: {error}") from error
        keep_file(place, self._store.read(media_key(space, sha256)), size, sha256, self._store.url)


def keep_file(place: Place, data: Iterable[bytes], size: int, sha256: str, source: object) -> None:
    """Make a whole file of these bytes, unless it is there. DamagedStoreError, OSError."""
    if place.is_file() and place.stat().st_size == size and _digest(place) == sha256:
        return
    make_folder(place.parent)
    part = place.with_name(place.name + PART)
    digest, offset = hashlib.sha256(), 0
    descriptor = open_new(part)
    try:
        for chunk in data:
            write_all(descriptor, chunk, offset)
            digest.update(chunk)
            offset += len(chunk)
        if digest.hexdigest() != sha256:
            part.unlink()
            raise DamagedStoreError(source, place.name, "it is not what was written")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.rename(place.name)
    sync_folder(place.parent)


def _digest(place: Place) -> str:
    with place.reader() as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
