"""A server that is not Telegram's own: an MTProto data centre under a key of its own."""
from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgbulk.stages.fetch.error import ServerFileError

PEM_HEAD = "-----BEGIN RSA PUBLIC KEY-----"
#: https://core.telegram.org/mtproto/auth_key: the handshake encrypts exactly 2048 bits.
KEY_BITS = 2048
#: Bytes of the file that describes one.
LARGEST = 1 << 16
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
        import rsa

        key = rsa.PublicKey.load_pkcs1(self.public_key.encode())
        data = _tl_bytes(key.n) + _tl_bytes(key.e)
        return hashlib.sha1(data).digest()[:-9:-1].hex()

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
    import rsa

    if PEM_HEAD not in pem:
        raise ServerFileError(path, f'public_key is not a PEM of PKCS#1 (it begins with "{PEM_HEAD}")')
    try:
        key = rsa.PublicKey.load_pkcs1(pem.encode())
    except Exception as error:  # rsa and pyasn1 raise whatever their parsers met
        raise ServerFileError(path, "public_key is a damaged PEM") from error
    if key.n.bit_length() != KEY_BITS:
        raise ServerFileError(path, f"public_key has {key.n.bit_length()} bits, not {KEY_BITS}")


def _tl_bytes(number: int) -> bytes:
    """A big-endian number as a TL `bytes` value (https://core.telegram.org/mtproto/serialize)."""
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    head = bytes([len(data)]) if len(data) < 254 else b"\xfe" + len(data).to_bytes(3, "little")
    return head + data + bytes(-len(head + data) % 4)
