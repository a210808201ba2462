"""A store of objects: a folder, or S3 and what speaks like it. Everything that goes over the network passes here.

Beyond keeping bytes a store must create an object only where there is none (docs/spec/fleet.md 3); check.py tries that.
"""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tgbulk.engine.durable import make_folder, sync_folder
from tgbulk.engine.error import NetworkError, StorageError, UsageError
from tgbulk.engine.folder import Place

#: Seconds for a connection, for one request, and for all attempts at it, whose number is to be no limit: pauses are random
#: and hardly grow at first.
CONNECT_SECONDS = 10
REQUEST_SECONDS = 120
RETRY_SECONDS = 30
RETRIES = 100
#: Bytes of one part of a large object, and how many go at a time.
CHUNK = 8 << 20
CONCURRENCY = 4
#: How an error names an answer, and the answers that may be others later: request timeout, conflict, too many requests.
_ANSWER = re.compile(r"status code: (\d{3}[\w ]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_LATER = ("408", "409", "429")
#: Those that mean: it does not know us, or we may not.
_DENIED = ("401", "403")
#: Objects deleted with one request.
_DELETED = 500


class MissingExtraError(UsageError):
    """obstore is not installed"""

    advice = "pip install 'tgbulk[store]'"


class StoreUrlError(UsageError):
    """{0} is no URL of a store: {1}"""

    advice = "A store is file:///FOLDER or s3://BUCKET/PREFIX; tgbulk help store says what else it takes."


class StoreError(StorageError):
    """the store {0}: {1}"""


class StoreAwayError(NetworkError):
    """the store {0} does not do its work: {1}"""

    advice = "Try again later; what is committed stays in the archive."


class RefusedAccessError(StoreError):
    """the store {0} refused the access: {1}"""

    advice = "tgbulk help store says where credentials come from; they have to allow reading, writing, listing and deleting."


class NoObjectError(StoreError):
    """the store {0} has no {1}"""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a list has it."""

    key: str
    size: int
    #: Unix seconds, by the store's clock
    modified: float


class ObjectStore:
    """Keys are relative to the URL. Methods block; StoreError, and StoreAwayError where trying later helps."""

    def __init__(self, url: str, make: bool = False) -> None:
        """`make`: a folder that is missing is made. MissingExtraError, StoreUrlError, StoreError."""
        self.url = url
        try:
            import obstore
            import obstore.exceptions
            import obstore.store
        except ImportError as error:
            raise MissingExtraError from error
        self._obstore: Any = obstore
        self._exceptions: Any = obstore.exceptions
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise StoreUrlError(parts._replace(netloc=parts.hostname or "").geturl(), "it may have no password in it")
        if parts.scheme not in ("file", "s3", "gs", "az"):
            raise StoreUrlError(url, "it begins with none of file://, s3://, gs:// and az://")
        self._folder = Path(parts.path) if parts.scheme == "file" else None
        if self._folder is not None:
            self._store: Any = self._open_folder(self._folder, parts.netloc, make)
            return
        try:
            self._store = obstore.store.from_url(
                url,
                client_options={
                    "connect_timeout": f"{CONNECT_SECONDS}s", "timeout": f"{REQUEST_SECONDS}s", "allow_http": True,
                },
                retry_config={
                    "max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS),
                    "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=10), "base": 2},
                },
            )
        except (ValueError, obstore.exceptions.BaseError) as error:
            raise StoreUrlError(url, _first_line(error)) from error

    def create(self, key: str, data: bytes) -> bool:
        """Make an object where there is none; False where there is one, which stays as it is."""
        try:
            with self._errors(key):
                self._obstore.put(self._store, key, data, mode="create", use_multipart=False)
                self._sync(key)
        except FileExistsError:
            return False
        return True

    def put(self, key: str, data: bytes) -> None:
        """Make an object, in the place of one that is there."""
        with self._errors(key):
            self._obstore.put(self._store, key, data, use_multipart=False)
            self._sync(key)

    def put_file(self, key: str, place: Place) -> None:
        """The same with the bytes of a file, in parts where they are many. OSError for the file."""
        with place.reader() as file, self._errors(key):
            self._obstore.put(self._store, key, file, chunk_size=CHUNK, max_concurrency=CONCURRENCY)
            self._sync(key)

    def get(self, key: str) -> bytes:
        """NoObjectError."""
        with self._errors(key):
            return bytes(self._obstore.get(self._store, key).bytes())

    def read(self, key: str) -> Iterator[bytes]:
        """The same, piece by piece."""
        with self._errors(key):
            for chunk in self._obstore.get(self._store, key).stream(min_chunk_size=1 << 20):
                yield bytes(chunk)

    def size(self, key: str) -> int | None:
        """Bytes of an object, None where there is none."""
        try:
            with self._errors(key):
                return int(self._obstore.head(self._store, key)["size"])
        except NoObjectError:
            return None

    def objects(self, prefix: str, after: str | None = None) -> Iterator[StoredObject]:
        """All objects below a prefix that ends before a slash; those whose keys come after `after`, which is one of them."""
        with self._errors(prefix):
            for some in self._obstore.list(self._store, prefix, offset=after):
                for one in some:
                    yield StoredObject(one["path"], one["size"], one["last_modified"].timestamp())

    def names(self, prefix: str = "") -> list[str]:
        """The next component of every key below a prefix that has more behind it."""
        with self._errors(prefix):
            found = self._obstore.list_with_delimiter(self._store, prefix or None)["common_prefixes"]
        return sorted(one.rstrip("/").rpartition("/")[2] for one in found)

    def delete(self, keys: list[str]) -> None:
        """Those that are there."""
        for start in range(0, len(keys), _DELETED):
            for key in keys[start : start + _DELETED] if self._folder else [keys[start : start + _DELETED]]:
                try:
                    with self._errors(str(key)):
                        self._obstore.delete(self._store, key)
                except NoObjectError:
                    continue

    def _sync(self, key: str) -> None:
        """A folder forgets in a power cut what was not synced."""
        if self._folder is not None:
            place = Place(self._folder) / key
            descriptor = place.open()
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_folder(place.parent)

    def _open_folder(self, folder: Path, host: str, make: bool) -> Any:
        if host or not folder.is_absolute():
            raise StoreUrlError(self.url, "a folder has three slashes before its path, as in file:///srv/archives")
        try:
            if make:
                make_folder(folder, 0o700)  # chats are private
            elif not folder.is_dir():
                raise StoreError(self.url, "there is no such folder")
            return self._obstore.store.LocalStore(folder, automatic_cleanup=True)
        except OSError as error:
            raise StoreError(self.url, error.strerror or str(error)) from error

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        known = self._exceptions
        try:
            yield
        except known.AlreadyExistsError as error:
            raise FileExistsError(key) from error
        except (known.NotFoundError, FileNotFoundError) as error:
            raise NoObjectError(self.url, key) from error
        except (known.PermissionDeniedError, known.UnauthenticatedError, known.GenericError, OSError) as error:
            # The library says in words alone what a server answered, and whether it did.
            answer = _ANSWER.search(str(error))
            said = f"{answer[1]}{_code(error)}" if answer else _first_line(error)
            denied = isinstance(error, (known.PermissionDeniedError, known.UnauthenticatedError))
            if self._folder is None and (denied or said.startswith(_DENIED)):
                raise RefusedAccessError(self.url, said) from error
            refused = answer is not None and said.startswith(("4", "501")) and said[:3] not in _LATER
            kind = StoreError if self._folder or denied or refused else StoreAwayError
            raise kind(self.url, f"it answers {said}" if answer else said) from error
        except known.BaseError as error:
            raise StoreError(self.url, _first_line(error)) from error


def _code(error: BaseException) -> str:
    """S3's own word for what is wrong, behind a blank."""
    found = _CODE.search(str(error))
    return f" ({found[1]})" if found else ""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
