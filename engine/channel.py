"""A channel: one end of a SEQPACKET socket pair, a frame a packet, descriptors alongside.

Packets keep their borders, so a writer that is killed leaves a whole frame or none, and end of file is its death. Nothing
here locks: a killed holder cannot leave a channel stuck.
"""
import array
import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from tgbulk.engine.frame import CONTROL_LIMIT, DATA_LIMIT, FrameError, pack, unpack

#: Descriptors that may ride with one frame.
MAX_DESCRIPTORS = 64
_ANCILLARY = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)
#: As plain numbers: the enumeration's `&` costs as much as the system call.
_CLOSE_ON_EXEC, _TRUNCATED = int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_CTRUNC)


class ChannelClosed(Exception):
    """The other end is gone: its process closed it or died."""


class Channel:
    """Frames to and from one other process."""

    __slots__ = ("_limit", "_socket")

    def __init__(self, sock: socket.socket, limit: int) -> None:
        self._socket = sock
        self._limit = limit

    @classmethod
    def from_descriptor(cls, descriptor: int, limit: int) -> "Channel":
        """Take over a descriptor that another process sent."""
        return cls(socket.socket(fileno=descriptor), limit)

    @property
    def limit(self) -> int:
        return self._limit

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, frame: object, descriptors: Sequence[int] = ()) -> None:
        """Send one frame; waits while the socket is full. ChannelClosed when nobody can receive it any more."""
        data = pack(frame)
        if len(data) > self._limit:
            raise FrameError(f"{type(frame).__name__} has {len(data)} bytes, its channel takes {self._limit}")
        if len(descriptors) > MAX_DESCRIPTORS:
            raise FrameError(f"{len(descriptors)} descriptors with one frame, a channel takes {MAX_DESCRIPTORS}")
        try:
            if descriptors:
                socket.send_fds(self._socket, [data], list(descriptors))
            else:
                self._socket.send(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosed from error

    def receive(self) -> tuple[Any, list[int]]:
        """One frame and its descriptors, now the receiver's to close; waits for it. ChannelClosed at end of file, OSError
        when this process may not open so many descriptors."""
        try:
            data, ancillary, flags, _ = self._packet()
        except ConnectionResetError:
            # The other end left with packets unread. The kernel reports that once, before what that end had sent.
            data, ancillary, flags, _ = self._packet()
        if not data:
            raise ChannelClosed
        descriptors = _received(ancillary) if ancillary else []
        try:
            if flags & _TRUNCATED:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return unpack(data), descriptors
        except (FrameError, OSError):
            for descriptor in descriptors:
                os.close(descriptor)
            raise

    def _packet(self) -> tuple[bytes, list[Any], int, Any]:
        return self._socket.recvmsg(self._limit, _ANCILLARY, _CLOSE_ON_EXEC)

    def set_blocking(self, blocking: bool) -> None:
        """Without blocking, send and receive raise BlockingIOError instead of waiting."""
        self._socket.setblocking(blocking)

    def set_limit(self, seconds: float) -> None:
        """Let receive raise BlockingIOError after waiting so long: without a further system call, unlike select."""
        whole, rest = divmod(seconds, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(whole), int(rest * 1e6)))

    def end(self) -> None:
        """End of file for the other end; what it sends can still be received."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it is gone

    def close(self) -> None:
        self._socket.close()


def _received(ancillary: list[Any]) -> list[int]:
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return list(descriptors)


def data_pair() -> tuple[Channel, Channel]:
    """(sending end, receiving end) of one hop of the data way."""
    return _pair(DATA_LIMIT)


def control_pair() -> tuple[Channel, Channel]:
    """(supervisor's end, child's end)."""
    return _pair(CONTROL_LIMIT)


def _pair(limit: int) -> tuple[Channel, Channel]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(left, limit), Channel(right, limit)
