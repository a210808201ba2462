"""The TCP transports full, intermediate and abridged (core.telegram.org/mtproto/mtproto-transports)."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from struct import pack, unpack_from
from zlib import crc32

#: Longest packet taken from a client; Telegram's own limit is near 1 MiB.
MAX_PACKET = 4 << 20


class TransportError(Exception):
    """Bytes that no transport can have sent; the connection is to be closed."""


class Transport(ABC):
    """Cuts a stream into packets and wraps packets for it."""

    @abstractmethod
    def wrap(self, packet: bytes) -> bytes:
        """The packet as it goes over the wire."""

    @abstractmethod
    def _next(self, buffer: bytearray) -> tuple[int, int] | None:
        """Start of the first packet in the buffer and end of its frame; None while it is incomplete."""

    def packets(self, buffer: bytearray) -> Iterator[bytes]:
        """Take every complete packet out of the buffer. Raises TransportError."""
        while (found := self._next(buffer)) is not None:
            start, end = found
            if end - start > MAX_PACKET:
                raise TransportError(f"packet of {end - start} bytes")
            if len(buffer) < end:
                return
            packet = self._checked(buffer, start, end)
            del buffer[:end]
            yield packet

    def _checked(self, buffer: bytearray, start: int, end: int) -> bytes:
        return bytes(buffer[start:end])


class Full(Transport):
    """Length, sequence number, packet, CRC-32."""

    def __init__(self) -> None:
        self._sent = 0
        self._received = 0

    def wrap(self, packet: bytes) -> bytes:
        head = pack("<ii", len(packet) + 12, self._sent)
        self._sent += 1
        return b"".join((head, packet, pack("<I", crc32(packet, crc32(head)))))

    def _next(self, buffer: bytearray) -> tuple[int, int] | None:
        if len(buffer) < 8:
            return None
        (length,) = unpack_from("<i", buffer)
        if length < 12:
            raise TransportError(f"length {length}")
        return 8, length

    def _checked(self, buffer: bytearray, start: int, end: int) -> bytes:
        (sequence,) = unpack_from("<i", buffer, 4)
        (checksum,) = unpack_from("<I", buffer, end - 4)
        if sequence != self._received:
            raise TransportError(f"sequence number {sequence}, expected {self._received}")
        if checksum != crc32(buffer[: end - 4]):
            raise TransportError("CRC-32 does not fit")
        self._received += 1
        return bytes(buffer[start : end - 4])


class Intermediate(Transport):
    """Length in four bytes, packet."""

    def wrap(self, packet: bytes) -> bytes:
        return pack("<i", len(packet)) + packet

    def _next(self, buffer: bytearray) -> tuple[int, int] | None:
        if len(buffer) < 4:
            return None
        (length,) = unpack_from("<i", buffer)
        if length < 0:
            raise TransportError(f"length {length}")
        return 4, 4 + length


class Abridged(Transport):
    """Length in words of four bytes, in one byte or in 0x7f and three bytes; packet."""

    def wrap(self, packet: bytes) -> bytes:
        words = len(packet) // 4
        return (bytes((words,)) if words < 127 else b"\x7f" + words.to_bytes(3, "little")) + packet

    def _next(self, buffer: bytearray) -> tuple[int, int] | None:
        if not buffer:
            return None
        if buffer[0] < 127:
            return 1, 1 + 4 * buffer[0]
        if len(buffer) < 4:
            return None
        return 4, 4 + 4 * int.from_bytes(buffer[1:4], "little")


def detect(buffer: bytearray) -> Transport | None:
    """The transport that a connection's first bytes announce, taken out of the buffer; None while they are too few."""
    if buffer[:1] == b"\xef":
        del buffer[:1]
        return Abridged()
    if len(buffer) < 8:
        return None
    if buffer[:4] == b"\xee\xee\xee\xee":
        del buffer[:4]
        return Intermediate()
    if buffer[4:8] == b"\0\0\0\0":
        return Full()
    raise TransportError("unknown transport")
