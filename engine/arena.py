"""An arena: shared memory cut into equal slots, without a name, a lock or a header.

It lives in a memfd (an unlinked temporary file where the kernel has none), so nothing is left behind however its
processes die. Its pages are allocated at once: a full memory shows as an error here, not as a SIGBUS later. Who may touch
which slot is the ring's business (engine/ring.py).
"""
import errno
import fcntl
import mmap
import os
import tempfile
from contextlib import suppress

from tgbulk.engine.durable import write_all


def nameless_file(name: str) -> int:
    """A descriptor of an empty file that no path leads to; `name` is for those who list descriptors."""
    try:
        return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM, errno.EACCES):
            raise
    with tempfile.TemporaryFile(prefix=name) as file:
        return os.dup(file.fileno())


def anonymous_file(name: str, size: int) -> int:
    """A descriptor of `size` bytes of shared memory that no path leads to. OSError when there is no room for it."""
    descriptor = nameless_file(name)
    try:
        os.posix_fallocate(descriptor, 0, size)
        with suppress(OSError):  # only a memfd can be sealed; shrinking would turn another process's read into a SIGBUS
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Arena:
    """`slots` slots of `slot_size` bytes each."""

    __slots__ = ("_descriptor", "_map", "slot_size", "slots")

    def __init__(self, descriptor: int, slots: int, slot_size: int) -> None:
        self._descriptor = descriptor
        self.slots = slots
        self.slot_size = slot_size
        self._map = mmap.mmap(descriptor, slots * slot_size)

    @classmethod
    def create(cls, name: str, slots: int, slot_size: int) -> "Arena":
        return cls(anonymous_file(name, slots * slot_size), slots, slot_size)

    def fileno(self) -> int:
        return self._descriptor

    def write(self, slot: int, data: bytes | memoryview, offset: int = 0) -> None:
        """Copy data into a slot; ValueError when it does not fit."""
        start = self._start(slot, len(data), offset)
        self._map[start : start + len(data)] = data

    def read(self, slot: int, length: int, offset: int = 0) -> bytes:
        """A copy of `length` bytes of a slot; ValueError when it has fewer."""
        start = self._start(slot, length, offset)
        return self._map[start : start + length]

    def close(self) -> None:
        self._map.close()
        os.close(self._descriptor)

    def _start(self, slot: int, length: int, offset: int) -> int:
        if slot not in range(self.slots) or not 0 <= offset <= offset + length <= self.slot_size:
            raise ValueError(f"{length} bytes at {offset} are not within slot {slot} of {self.slot_size} bytes")
        return slot * self.slot_size + offset


def overflow(data: bytes) -> int:
    """A payload too large for a slot, in shared memory of its own; the descriptor is the caller's to close."""
    descriptor = anonymous_file("tgbulk-overflow", max(1, len(data)))
    try:
        write_all(descriptor, data, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def open_overflow(descriptor: int, length: int) -> bytes:
    """The payload of an overflow; leaves the descriptor open."""
    data = os.pread(descriptor, length, 0)
    if len(data) != length:
        raise ValueError(f"an overflow of {length} bytes has only {len(data)}")
    return data
