from __future__ import annotations

import fcntl
import itertools
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from support.open_files import open_files
from tgbulk.engine.channel import MAX_DESCRIPTORS, Channel, ChannelClosed, control_pair, data_pair
from tgbulk.engine.frame import CONTROL_LIMIT, DATA_LIMIT, FrameError, pack
from tgbulk.engine.hop import Ack, WorkerGone
from tgbulk.stages.protocol.event import Notice

Pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    before = open_files()
    left, right = data_pair()
    yield left, right
    left.close()
    right.close()
    assert open_files() == before


def test_frames_keep_their_order_and_borders(pair: Pair) -> None:
    sent = [Ack(seq, seq % 32, 0) for seq in range(50)]
    for one in sent:
        pair[0].send(one)
    assert [pair[1].receive() for _ in sent] == [(one, []) for one in sent]


def test_a_descriptor_comes_along_with_its_own_frame_only(pair: Pair) -> None:
    read, write = os.pipe()
    pair[0].send(WorkerGone(1))
    pair[0].send(WorkerGone(2), [write])
    pair[0].send(WorkerGone(3))
    os.close(write)
    assert pair[1].receive() == (WorkerGone(1), [])
    came, (descriptor,) = pair[1].receive()
    assert came == WorkerGone(2)
    assert pair[1].receive() == (WorkerGone(3), [])
    assert fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    os.write(descriptor, b"through")
    os.close(descriptor)
    assert os.read(read, 100) == b"through"
    os.close(read)


def test_as_many_descriptors_as_a_channel_takes(pair: Pair) -> None:
    read, write = os.pipe()
    pair[0].send(WorkerGone(1), [read] * MAX_DESCRIPTORS)
    _, came = pair[1].receive()
    assert len(set(came)) == MAX_DESCRIPTORS
    for descriptor in came:
        os.close(descriptor)
    with pytest.raises(FrameError, match="descriptors"):
        pair[0].send(WorkerGone(1), [read] * (MAX_DESCRIPTORS + 1))
    os.close(read)
    os.close(write)


def test_frames_sent_before_the_end_are_received_before_it(pair: Pair) -> None:
    pair[0].send(WorkerGone(1))
    pair[0].close()
    assert pair[1].receive() == (WorkerGone(1), [])
    for _ in range(2):
        with pytest.raises(ChannelClosed):
            pair[1].receive()


def test_nothing_is_lost_when_the_other_end_leaves_without_reading(pair: Pair) -> None:
    """The kernel then tells of a reset connection before it gives out what was sent."""
    pair[1].send(WorkerGone(7))
    pair[0].send(WorkerGone(1))
    pair[0].send(WorkerGone(2))
    pair[0].close()
    assert [pair[1].receive()[0] for _ in range(2)] == [WorkerGone(1), WorkerGone(2)]
    with pytest.raises(ChannelClosed):
        pair[1].receive()


def test_the_other_end_died(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(ChannelClosed):
        pair[0].send(WorkerGone(1))


def test_a_receiver_wakes_when_the_other_end_dies(pair: Pair) -> None:
    timer = threading.Timer(0.05, pair[0].close)
    timer.start()
    with pytest.raises(ChannelClosed):
        pair[1].receive()
    timer.join()


def test_without_blocking_nothing_waits(pair: Pair) -> None:
    pair[1].set_blocking(False)
    with pytest.raises(BlockingIOError):
        pair[1].receive()
    pair[0].set_blocking(False)
    sent = itertools.count()

    def fill() -> None:
        for seq in sent:
            pair[0].send(Ack(seq, 0, 0))

    with pytest.raises(BlockingIOError):
        fill()
    fitted = next(sent) - 1
    assert [pair[1].receive()[0] for _ in range(fitted)] == [Ack(seq, 0, 0) for seq in range(fitted)]


def test_credits_fit_into_a_socket() -> None:
    """The most that can wait: write's three frames for each slot, while fetch does not read."""
    sender, receiver = data_pair()
    sender.set_blocking(False)
    sent = [
        frame
        for seq in range(32)
        for frame in (Ack(2**63 - 1, 31, 2**31), Ack(2**63 - 1, 31, 0), WorkerGone(seq))
    ]
    for frame in sent:
        sender.send(frame)  # one that did not fit would raise BlockingIOError
    assert [receiver.receive()[0] for _ in sent] == sent
    sender.close()
    receiver.close()


def test_a_frame_too_large_for_its_channel_is_refused_and_harms_nothing() -> None:
    for (sender, receiver), limit in ((data_pair(), DATA_LIMIT), (control_pair(), CONTROL_LIMIT)):
        sender.send(_notice(limit))
        assert receiver.receive()[0] == _notice(limit)
        with pytest.raises(FrameError, match=f"Notice has {limit + 1} bytes"):
            sender.send(_notice(limit + 1))
        sender.close()
        receiver.close()


def test_garbage_with_descriptors_leaks_none(pair: Pair) -> None:
    raw = socket.socket(fileno=os.dup(pair[0].fileno()))
    socket.send_fds(raw, [b"garbage"], [0, 0])
    raw.close()
    before = open_files()
    with pytest.raises(FrameError):
        pair[1].receive()
    assert open_files() == before


def test_a_channel_out_of_a_descriptor(pair: Pair) -> None:
    other = Channel.from_descriptor(os.dup(pair[0].fileno()), DATA_LIMIT)
    other.send(WorkerGone(4))
    other.close()
    assert pair[1].receive()[0] == WorkerGone(4)


def _notice(size: int) -> Notice:
    """A frame of exactly so many bytes."""
    text = "x" * (size - len(pack(Notice(""))) - 1)
    while len(pack(Notice(text))) > size:
        text = text[1:]
    assert len(pack(Notice(text))) == size
    return Notice(text)


def test_only_frames_are_sent(pair: Pair) -> None:
    with pytest.raises(KeyError):
        pair[0].send(object())
