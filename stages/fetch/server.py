"""A server that is not Telegram's own: an MTProto data centre under a key of its own."""
from __future__ import annotations

import base64
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgbulk.stages.fetch.error import ServerFileError

PEM_HEAD, PEM_TAIL = "-----BEGIN RSA PUBLIC KEY-----", "-----END RSA PUBLIC KEY-----"
#: https://core.telegram.org/mtproto/auth_key: the handshake encrypts exactly 2048 bits.
KEY_BITS = 2048
#: Bytes of the file that describes one.
LARGEST = 1 << 16
#: Tags of DER.
SEQUENCE, INTEGER = 0x30, 0x02
FIELDS = {"dc_id": int, "host": str, "port": int, "public_key": str}


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect first; its help.getConfig names the other data centres."""

    dc_id: int
    host: str
    port: int
    #: PEM, PKCS#1
    public_key: str
    #: The API id and hash to use where none are set: a simulated server asks for any.
    api_id: int | None = None
    api_hash: str | None = None
    #: the same one's IPv6 address, where `host` is not one
    host6: str | None = None

    def __str__(self) -> str:
        return f"the server at {self.host}:{self.port}"

    @property
    def fingerprint(self) -> str:
        """The key's MTProto fingerprint, 16 hexadecimal digits: the name of this environment's sessions folder."""
        return hashlib.sha1(b"".join(map(_tl_bytes, _key_numbers(self.public_key)))).digest()[:-9:-1].hex()

    def trust(self) -> None:
        """Make Telethon accept the key, in this process, for connections made from now on."""
        from telethon.crypto import rsa

        rsa.add_key(self.public_key, old=False)


def read_server(path: Path) -> Server:
    """The server that a TOML file describes; ServerFileError names the first mistake."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ServerFileError(path, f"has more than {LARGEST >> 10} KiB")
        table = tomllib.loads(data.decode())
    except OSError as error:
        raise ServerFileError(path, error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ServerFileError(path, f"is not TOML: {error}") from error
    for name, kind in FIELDS.items():
        if name not in table:
            raise ServerFileError(path, f"{name} is missing")
        _check_type(path, name, table[name], kind)
    if not 1 <= table["port"] <= 65535:
        raise ServerFileError(path, f"port is {table['port']}, not between 1 and 65535")
    if not 1 <= table["dc_id"] <= 32767:
        raise ServerFileError(path, f"dc_id is {table['dc_id']}, not between 1 and 32767")
    if not table["host"]:
        raise ServerFileError(path, "host is empty")
    _check_key(path, table["public_key"])
    for name, kind in {"host6": str, "api_id": int, "api_hash": str}.items():
        if name in table:
            _check_type(path, name, table[name], kind)
    return Server(**{name: table[name] for name in Server.__slots__ if name in table})


def _check_type(path: Path, name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = {int: "an integer", str: "a string"}[kind]
        raise ServerFileError(path, f"{name} is not {expected}")


def _check_key(path: Path, pem: str) -> None:
    if PEM_HEAD not in pem:
        raise ServerFileError(path, f'public_key is not a PEM of PKCS#1 (it begins with "{PEM_HEAD}")')
    try:
        modulus, _ = _key_numbers(pem)
    except ValueError as error:
        raise ServerFileError(path, "public_key is a damaged PEM") from error
    if modulus.bit_length() != KEY_BITS:
        raise ServerFileError(path, f"public_key has {modulus.bit_length()} bits, not {KEY_BITS}")


def _key_numbers(pem: str) -> tuple[int, int]:
    """Modulus and exponent of a PEM of PKCS#1 (RFC 8017, A.1.1); ValueError where it is damaged.

    By hand: every command reads the key, and what Telethon reads it with takes as long to import as all of the command.
    """
    text, tail, _ = pem.partition(PEM_HEAD)[2].partition(PEM_TAIL)
    sequence, rest = _der(base64.b64decode("".join(text.split()), validate=True), SEQUENCE)
    first, more = _der(sequence, INTEGER)
    second, behind = _der(more, INTEGER)
    modulus, exponent = (int.from_bytes(one, "big", signed=True) for one in (first, second))
    if not tail or rest or behind or modulus < 1 or exponent < 1:
        raise ValueError("it is cut short, or no key")
    return modulus, exponent


def _der(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The value of this tag at the start, and what comes behind it. ValueError."""
    if len(data) < 2 or data[0] != tag:
        raise ValueError(f"tag {tag} is not there")
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    value, rest = data[start : start + length], data[start + length :]
    if not value or len(value) < length:
        raise ValueError(f"tag {tag} is cut short")
    return value, rest


def _tl_bytes(number: int) -> bytes:
    """A big-endian number as a TL `bytes` value (https://core.telegram.org/mtproto/serialize)."""
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    head = bytes([len(data)]) if len(data) < 254 else b"\xfe" + len(data).to_bytes(3, "little")
    return head + data + bytes(-len(head + data) % 4)
