"""The RSA key that proves the simulated data centre to its clients."""
from __future__ import annotations

from hashlib import sha1
from math import gcd, prod
from random import Random

import rsa
from telethon.tl import TLObject

EXPONENT = 65537
#: Four primes of 512 bits are found in a tenth of the time that two of 1024 take; nothing here must resist factoring.
PRIME_BITS = 512
PRIME_COUNT = 4
SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


class RsaKey:
    """A 2048-bit key, the same for every data centre made from one seed."""

    def __init__(self, seed: int) -> None:
        random = Random(f"rsa key {seed}")
        primes: list[int] = []
        while len(primes) < PRIME_COUNT:
            primes.append(_prime(random))
        self.modulus = prod(primes)
        self._private = pow(EXPONENT, -1, prod(p - 1 for p in primes))

    @property
    def pem(self) -> str:
        """The public key as PKCS#1 PEM, as Telethon's rsa.add_key wants it."""
        return rsa.PublicKey(self.modulus, EXPONENT).save_pkcs1().decode()

    @property
    def fingerprint(self) -> int:
        """Low 64 bits of the SHA-1 of the serialised key, signed."""
        modulus, exponent = self.modulus.to_bytes(256, "big"), EXPONENT.to_bytes(3, "big")
        digest = sha1(TLObject.serialize_bytes(modulus) + TLObject.serialize_bytes(exponent)).digest()
        return int.from_bytes(digest[-8:], "little", signed=True)

    def decrypt(self, block: bytes) -> bytes:
        """The payload of a 256-byte block made as sha1(data) + data + padding; the hash is checked by the reader."""
        plain = pow(int.from_bytes(block, "big"), self._private, self.modulus)
        return plain.to_bytes(256, "big")[1:]


def _prime(random: Random) -> int:
    while True:
        # three leading ones keep the product of four at its full length
        candidate = random.getrandbits(PRIME_BITS) | 7 << (PRIME_BITS - 3) | 1
        if gcd(candidate - 1, EXPONENT) > 1 or any(candidate % small == 0 for small in SMALL_PRIMES):
            continue
        if all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3)):
            return candidate
