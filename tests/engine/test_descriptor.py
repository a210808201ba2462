from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from open_files import open_files

from engine.arena import Arena
from engine.channel import data_pair
from engine.descriptor import dump, load
from engine.error import LockedError
from engine.hop import Gone
from engine.lock import Lock


def test_arguments_and_their_descriptors(tmp_path: Path) -> None:
    before = open_files()
    arena = Arena.create("tgbulk-test", 2, 10)
    sender, receiver = data_pair()
    lock = Lock(tmp_path / "lock", "the thing").acquire()
    data, descriptors = dump((arena, {"deep": [receiver]}, lock, Path("/\udcff"), 7))
    assert descriptors == [arena.fileno(), receiver.fileno(), lock.fileno()]
    copies = [os.dup(one) for one in descriptors]
    for mine in (arena, receiver):
        mine.close()
    lock.release()

    other, deep, its_lock, path, number = load(data, copies)
    assert (path, number) == (Path("/\udcff"), 7)
    assert (other.slots, other.slot_size) == (2, 10)
    other.write(1, b"works")
    assert other.read(1, 5) == b"works"
    sender.send(Gone(3))
    assert deep["deep"][0].receive()[0] == Gone(3)
    assert deep["deep"][0].limit == sender.limit
    assert (its_lock.path, its_lock.what) == (lock.path, "the thing")
    with pytest.raises(LockedError):
        Lock(tmp_path / "lock", "the thing").acquire()
    its_lock.release()
    for its in (other, sender, deep["deep"][0]):
        its.close()
    assert open_files() == before


def test_the_pickle_alone_leads_to_nothing() -> None:
    sender, receiver = data_pair()
    data, _ = dump((sender,))
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)
    with pytest.raises(IndexError):
        load(data, [])
    sender.close()
    receiver.close()
