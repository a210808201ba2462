"""Whether a store does what publishing rests on; it is tried with objects of its own, which go afterwards."""
from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from tgbulk.engine.folder import Place
from tgbulk.stages.fleet.store import CHUNK, ObjectStore, StoreAwayError, StoreError

#: Where it tries.
_FOLDER = "check"
#: Writers that want the same object at once.
_RACERS = 16
#: Objects of a list, more than a store gives with one answer.
_LISTED = 12


class UnfitStoreError(StoreError):
    """the store {0} is not fit to publish to: {1}"""

    advice = "Use a store that keeps this condition; tgbulk help store names some."


class StoreCheck:
    """Each method is a condition: it returns what is wrong, "" for nothing. StoreError."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._folder = f"{_FOLDER}/{uuid4().hex}"

    def create_only(self) -> str:
        """What is created where there is an object is refused (If-None-Match: *), and the object stays."""
        key = f"{self._folder}/one"
        if not self._store.create(key, b"first"):
            return "If-None-Match: * refuses an object that is not there"
        refused = not self._store.create(key, b"second")
        if self._store.get(key) != b"first":
            return "If-None-Match: * is ignored: it overwrites an object that is there, and says nothing"
        return "" if refused else "If-None-Match: * is ignored: it says that it created an object that is there"

    def one_winner(self) -> str:
        """Of many who create the same object at once, one does, and the object is that one's."""
        key = f"{self._folder}/race"
        with ThreadPoolExecutor(_RACERS) as pool:
            made = list(pool.map(lambda one: self._store.create(key, str(one).encode()), range(_RACERS)))
        winners = [place for place, won in enumerate(made) if won]
        if len(winners) != 1:
            return f"If-None-Match: * let {len(winners)} of {_RACERS} writers create the same object at once"
        return "" if self._store.get(key) == str(winners[0]).encode() else "an object is not that of who created it"

    def list(self) -> str:
        """A list has every object that was made before it, and none that was deleted."""
        keys = [f"{self._folder}/list/{place:04}" for place in range(_LISTED)]
        for key in keys:
            self._store.put(key, b"x")
        if sorted(one.key for one in self._store.objects(f"{self._folder}/list")) != keys:
            return "a list does not have what was written before it"
        if sorted(one.key for one in self._store.objects(f"{self._folder}/list", keys[4])) != keys[5:]:
            return "a list that is to begin behind a key does not"
        if self._store.names(self._folder) != ["list"]:
            return "a list does not name folders"
        self._store.delete(keys[:3])
        left = sorted(one.key for one in self._store.objects(f"{self._folder}/list"))
        return "" if left == keys[3:] else "deleting does nothing"

    def multipart(self) -> str:
        """An object that is uploaded in parts is what was uploaded."""
        data, key = os.urandom(1 << 20) * (CHUNK >> 20) + b"and more", f"{self._folder}/parts"
        with TemporaryDirectory(prefix="tgbulk-") as folder:
            path = Path(folder, "parts")
            path.write_bytes(data)
            self._store.put_file(key, Place.of(path))
        return "" if b"".join(self._store.read(key)) == data else "an object uploaded in parts is not what was uploaded"

    def clean(self) -> None:
        self._store.delete([one.key for one in self._store.objects(self._folder)])


@contextmanager
def _checking(store: ObjectStore) -> Iterator[StoreCheck]:
    check = StoreCheck(store)
    try:
        yield check
    finally:
        check.clean()


def check_store(store: ObjectStore) -> Iterator[tuple[str, str]]:
    """(condition, what is wrong with it, "" for nothing) of each. StoreAwayError."""
    with _checking(store) as check:
        for condition in (check.list, check.create_only, check.one_winner, check.multipart):
            try:
                wrong = condition()
            except StoreAwayError:
                raise
            except StoreError as error:
                wrong = str(error)
            yield (condition.__doc__ or "").strip(), wrong


def require_fit(store: ObjectStore) -> None:
    """What every push begins with: that a store does not overwrite silently. UnfitStoreError, StoreError."""
    with _checking(store) as check:
        if wrong := check.create_only():
            raise UnfitStoreError(store.url, wrong)
