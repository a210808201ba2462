"""The server's half of the auth key exchange (core.telegram.org/mtproto/auth_key).

The RSA padding is the old one, SHA-1 + data + random bytes, which Telethon 1.45 uses."""
from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1

import cryptg
from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from tgbulk.perf.simdc.auth_key import AuthKey
from tgbulk.perf.simdc.prime import GENERATOR, SAFE_PRIME, product_of_two
from tgbulk.perf.simdc.rsa_key import RsaKey


class HandshakeError(Exception):
    """A step that does not follow from the one before; the connection is to be closed."""


@dataclass(frozen=True, slots=True)
class Strange:
    """What is wrong in it."""

    pq: bytes = b""
    prime: bytes = b""
    #: instead of the server's second answer
    instead: bytes = b""


#: How a server may take its part; "" as it should.
STRANGE = {
    "": Strange(),
    "prime": Strange(pq=((1 << 61) - 1).to_bytes(8, "big")),
    "one": Strange(pq=b"\1"),
    "long": Strange(pq=b"\x7f" + b"\xff" * (1 << 20)),
    "long prime": Strange(prime=b"\x7f" + b"\xff" * (1 << 18)),
    "no prime": Strange(prime=b"\0"),
    "another type": Strange(instead=bytes(types.PeerUser(5))),
    "garbage": Strange(instead=b"\xde\xad\xbe\xef" * 5),
}


class Handshake:
    """One client's way to an auth key. `answer` takes each unencrypted request in turn."""

    def __init__(self, rsa_key: RsaKey, dc_id: int, done: Callable[[AuthKey], None], strange: str = "") -> None:
        """strange: a name of STRANGE."""
        self._strange = STRANGE[strange]
        self._rsa_key = rsa_key
        self._dc_id = dc_id
        self._done = done
        self._nonce = 0
        self._server_nonce = 0
        self._new_nonce = 0
        self._secret = 0
        self._pq = b""

    def answer(self, body: bytes) -> bytes:
        """The serialised answer to one serialised request. Raises HandshakeError."""
        try:
            request = BinaryReader(body).tgread_object()
        except Exception as error:
            raise HandshakeError(f"unreadable request: {error}") from error
        if isinstance(request, functions.ReqPqMultiRequest | functions.ReqPqRequest):
            return bytes(self._begin(request.nonce))
        if not isinstance(request, functions.ReqDHParamsRequest | functions.SetClientDHParamsRequest):
            raise HandshakeError(f"{type(request).__name__} is not part of the exchange")
        if request.nonce != self._nonce or request.server_nonce != self._server_nonce:
            raise HandshakeError("nonces do not fit")
        if self._strange.instead:
            return self._strange.instead
        step = self._offer if isinstance(request, functions.ReqDHParamsRequest) else self._complete
        return bytes(step(request))

    def _begin(self, nonce: int) -> types.ResPQ:
        self._nonce = nonce
        self._server_nonce = int.from_bytes(os.urandom(16), "little", signed=True)
        self._pq = self._strange.pq or product_of_two().to_bytes(8, "big")
        return types.ResPQ(nonce, self._server_nonce, self._pq, [self._rsa_key.fingerprint])

    def _offer(self, request: functions.ReqDHParamsRequest) -> types.ServerDHParamsOk:
        if request.public_key_fingerprint != self._rsa_key.fingerprint:
            raise HandshakeError("unknown public key")
        inner = _hashed_object(self._rsa_key.decrypt(request.encrypted_data))
        if not isinstance(inner, types.PQInnerData | types.PQInnerDataDc):
            raise HandshakeError("no p_q_inner_data")
        if int.from_bytes(inner.p, "big") * int.from_bytes(inner.q, "big") != int.from_bytes(self._pq, "big"):
            raise HandshakeError("p and q do not make pq")
        if inner.nonce != self._nonce or inner.server_nonce != self._server_nonce:
            raise HandshakeError("nonces in p_q_inner_data do not fit")
        self._new_nonce = inner.new_nonce
        self._secret = secrets.randbits(2048)
        prime = self._strange.prime or SAFE_PRIME.to_bytes(256, "big")
        g_a = pow(GENERATOR, self._secret, SAFE_PRIME).to_bytes(256, "big")
        offer = types.ServerDHInnerData(self._nonce, self._server_nonce, GENERATOR, prime, g_a, int(time.time()))
        plain = sha1(bytes(offer)).digest() + bytes(offer)
        plain += os.urandom(-len(plain) % 16)
        return types.ServerDHParamsOk(self._nonce, self._server_nonce, cryptg.encrypt_ige(plain, *self._aes()))

    def _complete(self, request: functions.SetClientDHParamsRequest) -> types.DhGenOk:
        if not self._secret or len(request.encrypted_data) % 16:
            raise HandshakeError("no Diffie-Hellman offer to complete")
        inner = _hashed_object(cryptg.decrypt_ige(request.encrypted_data, *self._aes()))
        g_b = int.from_bytes(inner.g_b, "big")
        if not 2**1984 <= g_b <= SAFE_PRIME - 2**1984:
            raise HandshakeError("g_b is too near to 1 or to the prime")
        secret = pow(g_b, self._secret, SAFE_PRIME).to_bytes(256, "big")
        new_nonce = self._new_nonce_bytes()
        digest = sha1(new_nonce + b"\1" + sha1(secret).digest()[:8]).digest()
        self._done(AuthKey.create(secret, self._dc_id, self._first_salt(), int(time.time())))
        self._secret = 0
        return types.DhGenOk(self._nonce, self._server_nonce, int.from_bytes(digest[4:20], "little", signed=True))

    def _new_nonce_bytes(self) -> bytes:
        return self._new_nonce.to_bytes(32, "little", signed=True)

    def _server_nonce_bytes(self) -> bytes:
        return self._server_nonce.to_bytes(16, "little", signed=True)

    def _first_salt(self) -> int:
        mixed = (a ^ b for a, b in zip(self._new_nonce_bytes()[:8], self._server_nonce_bytes()[:8], strict=True))
        return int.from_bytes(bytes(mixed), "little", signed=True)

    def _aes(self) -> tuple[bytes, bytes]:
        new, server = self._new_nonce_bytes(), self._server_nonce_bytes()
        middle = sha1(server + new).digest()
        first = sha1(new + server).digest()
        return first + middle[:12], middle[12:] + sha1(new + new).digest() + new[:4]


def _hashed_object(plain: bytes) -> types.PQInnerData | types.ClientDHInnerData:
    """The object after its SHA-1 and before random padding."""
    reader = BinaryReader(plain[20:])
    try:
        inner = reader.tgread_object()
    except Exception as error:
        raise HandshakeError(f"unreadable inner data: {error}") from error
    if sha1(plain[20 : 20 + reader.tell_position()]).digest() != plain[:20]:
        raise HandshakeError("SHA-1 of the inner data does not fit")
    return inner
