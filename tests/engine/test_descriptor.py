from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.open_files import open_files
from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel, data_pair
from tgbulk.engine.descriptor import dump, load
from tgbulk.engine.error import LockedError
from tgbulk.engine.hop import WorkerGone
from tgbulk.engine.lock import Lock


@dataclass(frozen=True, slots=True)
class Given:
    """A context, as a process has one."""

    arena: Arena
    deep: dict[str, list[Channel]]
    lock: Lock
    path: Path
    number: int


def test_a_context_and_its_descriptors(tmp_path: Path) -> None:
    before = open_files()
    arena = Arena.create("tgbulk-test", 2, 10)
    sender, receiver = data_pair()
    lock = Lock(tmp_path / "lock", "the thing").acquire()
    data, descriptors = dump(sender, Given(arena, {"deep": [receiver]}, lock, Path("/\udcff"), 7))
    assert descriptors == [sender.fileno(), arena.fileno(), receiver.fileno(), lock.fileno()]
    copies = [os.dup(one) for one in descriptors]
    for mine in (arena, receiver):
        mine.close()
    lock.release()

    control, given = load(data, copies)
    other, deep, its_lock = given.arena, given.deep["deep"][0], given.lock
    assert (given.path, given.number) == (Path("/\udcff"), 7)
    assert (other.slots, other.slot_size) == (2, 10)
    other.write(1, b"works")
    assert other.read(1, 5) == b"works"
    for end, number in ((sender, 3), (control, 4)):
        end.send(WorkerGone(number))
        assert deep.receive()[0] == WorkerGone(number)
    assert deep.limit == sender.limit
    assert (its_lock.path, its_lock.what) == (lock.path, "the thing")
    with pytest.raises(LockedError):
        Lock(tmp_path / "lock", "the thing").acquire()
    its_lock.release()
    for its in (other, sender, control, deep):
        its.close()
    assert open_files() == before


def test_the_pickle_alone_leads_to_nothing() -> None:
    sender, receiver = data_pair()
    data, _ = dump(sender, None)
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)
    with pytest.raises(IndexError):
        load(data, [])
    sender.close()
    receiver.close()
