"""Bounds of the exchange that makes an auth key, where Telethon has none: its first answers can come from anybody.

pq is the product of two primes and below 2^63, the other numbers have 2048 bits (https://core.telegram.org/mtproto/auth_key).
"""
from __future__ import annotations

from math import gcd

from telethon.errors import SecurityError
from telethon.network import authenticator

LARGEST_PQ = (1 << 63) - 1
NUMBER_BYTES = 256
#: Steps of one search: of the largest primes one is found in a fifth of them, nearly always. And searches.
STEPS = 1 << 19
SEARCHES = 3
#: Steps between two looks at what was found.
BATCH = 64


class Factorization:
    """In place of Telethon's, which looks for ever for the factors of a prime."""

    @staticmethod
    def factorize(pq: int) -> tuple[int, int]:
        """Two factors, the smaller one first (Pollard's rho, as Brent has it). SecurityError where none are found."""
        if not 3 < pq <= LARGEST_PQ:
            raise SecurityError("pq is not between 3 and 2^63")
        if pq % 2 == 0:
            return 2, pq // 2
        for constant in range(1, SEARCHES + 1):
            factor = _search(pq, constant)
            if factor is not None:
                return min(factor, pq // factor), max(factor, pq // factor)
        raise SecurityError("pq is not the product of two primes")


def _search(pq: int, constant: int) -> int | None:
    place = fixed = 2
    product = 1
    for step in range(1, STEPS + 1):
        place = (place * place + constant) % pq
        product = product * (place - fixed) % pq
        if step % BATCH == 0:
            factor = gcd(product, pq)
            if factor == pq:
                return None
            if factor > 1:
                return factor
        if step & (step - 1) == 0:
            fixed = place
    return None


def number(data: bytes, signed: bool = True) -> int:
    """In place of Telethon's get_int, whose numbers would be calculated with for hours where they are long."""
    if len(data) > NUMBER_BYTES:
        raise SecurityError(f"a number of {len(data):,} bytes")
    return int.from_bytes(data, "big", signed=signed)


authenticator.Factorization = Factorization
authenticator.get_int = number
