"""Bounds of what comes from a server, where Telethon has none: a packet, what is unpacked from it, one answer, its types.

All connections go through this: route takes their transports from here, and Sender reads every answer with `read`.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from isal import isal_zlib
from telethon import errors
from telethon.extensions import BinaryReader
from telethon.network import ConnectionTcpAbridged, ConnectionTcpFull, mtprotosender, mtprotostate
from telethon.network.connection.tcpabridged import AbridgedPacketCodec
from telethon.network.connection.tcpfull import FullPacketCodec
from telethon.network.connection.tcpintermediate import RandomizedIntermediatePacketCodec
from telethon.network.mtprotostate import MTProtoState
from telethon.tl.alltlobjects import tlobjects
from telethon.tl.core.gzippacked import GzipPacked
from telethon.tl.core.rpcresult import RpcResult
from telethon.tl.tlobject import TLObject, TLRequest
from telethon.tl.types import RpcError

from tgbulk.stages.fetch.declared import stranger

#: Bytes of a packet (https://core.telegram.org/mtproto/mtproto-transports: a length of 24 bits).
PACKET_BYTES = (1 << 24) + 1024
#: Bytes of an answer, unpacked. A page of a history has 100 messages of some kilobytes; a part of a file has 1 MiB.
ANSWER_BYTES = 8 << 20
#: Bytes of all answers in one packet: one that has more is wrong.
UNPACKED_BYTES = 4 * ANSWER_BYTES
#: Objects of a packet or an answer. A page of dialogs has some thousands.
MOST_OBJECTS = 100_000
#: Characters of an error's text: Telegram's have some dozens.
ERROR_TEXT = 200
#: Numbers in it that may have more bits than TL's int.
_NUMBER = re.compile("[0-9]{10,}")
LARGEST_INT = (1 << 31) - 1
_ERROR = RpcError.CONSTRUCTOR_ID.to_bytes(4, "little")
#: What a window size of zlib is for the format of gzip.
_GZIP = 31
#: TL type of boolTrue and boolFalse.
_BOOL = 0xF5B399AC
#: TL types that have constructors.
_TYPES = {one.SUBCLASS_OF_ID for one in tlobjects.values() if not issubclass(one, TLRequest)}


class TooManyObjects(errors.SecurityError):  # type: ignore[misc]
    """Telethon ignores a packet with them; an answer with them is unusable."""


class BoundedReader(BinaryReader):  # type: ignore[misc]
    """Telethon's, which makes a few objects: a message of 12 bytes becomes one of 1,700."""

    left = MOST_OBJECTS

    def tgread_object(self) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TooManyObjects(f"more than {MOST_OBJECTS:,} objects")
        return super().tgread_object()


mtprotosender.BinaryReader = mtprotostate.BinaryReader = BoundedReader


class UnusableAnswer(errors.RPCError):  # type: ignore[misc]
    """An answer that came and cannot be used; handled as Telegram's refusal of this one request."""

    def __init__(self, request: Any, reason: str, code: int = 0) -> None:
        Exception.__init__(self, f"{reason}{self._fmt_request(request)}")
        self.request, self.message, self.code = request, reason, code


class _TooLarge(bytes):
    """Stands for bytes that were not unpacked."""


TOO_LARGE = _TooLarge()


class _Budget:
    """Of the packet that is read just now."""

    left = UNPACKED_BYTES

    @classmethod
    def take(cls, size: int) -> bool:
        """False where it is used up."""
        cls.left -= size
        return size <= ANSWER_BYTES and cls.left >= 0


def unpack(data: bytes) -> bytes:
    """What gzip made smaller; TOO_LARGE for more than an answer may have. Raises as zlib does."""
    most = min(ANSWER_BYTES, _Budget.left)
    found: bytes = isal_zlib.decompressobj(_GZIP).decompress(data, max(0, most) + 1)
    return found if _Budget.take(len(found)) else TOO_LARGE


class _Gzip:
    @staticmethod
    def from_reader(reader: Any) -> GzipPacked:
        return GzipPacked(unpack(reader.tgread_bytes()))


def _bounded(found: re.Match[str]) -> str:
    return found[0] if int(found[0]) < 1 << 32 else str(LARGEST_INT)


class _Result:
    @staticmethod
    def from_reader(reader: Any) -> RpcResult:
        number = reader.read_long()
        inner = reader.read_int()
        if inner == GzipPacked.CONSTRUCTOR_ID:
            body = GzipPacked.from_reader(reader).data
            if body[:4] != _ERROR:
                return RpcResult(number, body, None)
            reader, inner = BinaryReader(body[4:]), RpcError.CONSTRUCTOR_ID
        if inner == RpcError.CONSTRUCTOR_ID:
            error = RpcError.from_reader(reader)
            error.error_message = _NUMBER.sub(_bounded, error.error_message[:ERROR_TEXT])
            return RpcResult(number, None, error)
        reader.seek(-4)
        body = reader.read()  # and what follows in a container
        return RpcResult(number, body if _Budget.take(len(body)) else TOO_LARGE, None)


GzipPacked.from_reader = _Gzip.from_reader
RpcResult.from_reader = _Result.from_reader


class State(MTProtoState):  # type: ignore[misc]
    """Every packet begins with its whole budget, and none leaves that must not."""

    #: called before each packet of ours, of all connections of this process; does not return where none may leave
    guard: Callable[[], None] | None = None

    def reset(self) -> None:
        """Another session. Where the last messages of the one before were ignored, as a rule for their time, the clocks'
        difference is learnt anew as at the start: from what is said of a salt that is none."""
        if self._ignore_count:
            self.time_offset = self.salt = 0
        super().reset()

    def encrypt_message_data(self, data: bytes) -> Any:
        if State.guard is not None:
            State.guard()
        return super().encrypt_message_data(data)

    def decrypt_message_data(self, body: bytes) -> Any:
        _Budget.left = UNPACKED_BYTES
        return super().decrypt_message_data(body)


class _Bounded:
    """A stream of which nobody reads more than a packet."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    async def readexactly(self, size: int) -> bytes:
        if not 0 <= size <= PACKET_BYTES:
            raise ConnectionError(f"it announces a packet of {size:,} bytes")
        data: bytes = await self._reader.readexactly(size)
        return data


class _FullCodec(FullPacketCodec):  # type: ignore[misc]
    async def read_packet(self, reader: Any) -> bytes:
        data: bytes = await super().read_packet(_Bounded(reader))
        return data


class _AbridgedCodec(AbridgedPacketCodec):  # type: ignore[misc]
    async def read_packet(self, reader: Any) -> bytes:
        data: bytes = await super().read_packet(_Bounded(reader))
        return data


class PaddedCodec(RandomizedIntermediatePacketCodec):  # type: ignore[misc]
    async def read_packet(self, reader: Any) -> bytes:
        data: bytes = await super().read_packet(_Bounded(reader))
        return data


class FullConnection(ConnectionTcpFull):  # type: ignore[misc]
    packet_codec = _FullCodec


class AbridgedConnection(ConnectionTcpAbridged):  # type: ignore[misc]
    packet_codec = _AbridgedCodec


def read(request: TLRequest, body: bytes) -> Any:
    """The result of a request in an answer's bytes. UnusableAnswer."""
    if body is TOO_LARGE:
        raise UnusableAnswer(request, f"the answer has more than {ANSWER_BYTES >> 20} MiB")
    try:
        with BoundedReader(body) as reader:
            result = request.read_result(reader)
    except TooManyObjects as error:
        raise UnusableAnswer(request, f"the answer has {error}") from error
    except Exception as error:  # whatever Telethon's readers meet in bytes that are not what they should be
        raise UnusableAnswer(request, f"the answer cannot be read ({type(error).__name__})") from error
    if not _is_of(result, request):
        raise UnusableAnswer(request, f"the answer is of another type, {type(result).__name__}")
    if not isinstance(result, bytes) and (found := stranger(result, innermost(request).SUBCLASS_OF_ID)):
        raise UnusableAnswer(request, f"the answer holds what does not belong there, {found}")
    return result


def innermost(request: Any) -> Any:
    """What a wrapper holds."""
    while type(request).__name__.startswith(("InvokeWith", "InitConnection")):
        request = request.query
    return request


def _is_of(result: Any, request: TLRequest) -> bool:
    """Whether it is of the type that the method has; bytes are looked at where they are decoded."""
    if isinstance(result, bytes):
        return True
    inner = innermost(request)
    if isinstance(result, TLObject):
        return bool(result.SUBCLASS_OF_ID == inner.SUBCLASS_OF_ID)
    if isinstance(result, bool):
        return bool(inner.SUBCLASS_OF_ID == _BOOL)
    return isinstance(result, list) and inner.SUBCLASS_OF_ID not in _TYPES  # a vector, whose type no constructor has
