"""MTProto 2.0 encryption of messages, seen from the server (core.telegram.org/mtproto/description)."""
from __future__ import annotations

import os
from hashlib import sha256

import cryptg

#: Bytes before the ciphertext: auth key id (8) and msg_key (16).
HEADER = 24
#: Least padding that MTProto 2.0 asks for.
MIN_PADDING = 12


def seal(key: bytes, key_id: bytes, plain: bytes) -> bytes:
    """A packet for the client from salt, session id and message; the padding is added here."""
    data = plain + os.urandom(MIN_PADDING + -(len(plain) + MIN_PADDING) % 16)
    digest = sha256(key[96:128])
    digest.update(data)
    msg_key = digest.digest()[8:24]
    return key_id + msg_key + cryptg.encrypt_ige(data, *_aes(key, msg_key, 8))


def unseal(key: bytes, packet: bytes) -> bytes | None:
    """Salt, session id, message and padding of a client's packet; None where its msg_key does not fit."""
    if len(packet) < HEADER + 32 or (len(packet) - HEADER) % 16:
        return None
    msg_key = packet[8:HEADER]
    data: bytes = cryptg.decrypt_ige(packet[HEADER:], *_aes(key, msg_key, 0))
    digest = sha256(key[88:120])
    digest.update(data)
    return data if digest.digest()[8:24] == msg_key else None


def _aes(key: bytes, msg_key: bytes, x: int) -> tuple[bytes, bytes]:
    a = sha256(msg_key + key[x : x + 36]).digest()
    b = sha256(key[x + 40 : x + 76] + msg_key).digest()
    return a[:8] + b[8:24] + a[24:], b[:8] + a[8:24] + b[24:]
