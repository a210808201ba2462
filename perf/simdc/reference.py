"""File references: opaque tokens that belong to one account and expire."""
from __future__ import annotations

from hashlib import sha256
from struct import Struct
from typing import Literal

from tgbulk.perf.simdc.ledger import REFERENCE_LIFETIME
from tgbulk.perf.simdc.world import Account

_MADE = Struct(">q")
#: Bytes of a reference: Unix second in which it was made, and a hash that ties it to the account.
LENGTH = 24


def current(account: Account, now: float) -> bytes:
    """The account's reference of this second, the same for all its files."""
    return _reference(account, int(now))


def verdict(
    reference: bytes, account: Account, now: float, lifetime: float = REFERENCE_LIFETIME
) -> Literal["EMPTY", "EXPIRED", "INVALID"] | None:
    """What is wrong with a reference `lifetime` seconds after it was made at the latest; None for a good one."""
    if not reference:
        return "EMPTY"
    if len(reference) != LENGTH:
        return "INVALID"
    (made,) = _MADE.unpack_from(reference)
    if reference != _reference(account, made):
        return "INVALID"
    return "EXPIRED" if now - made > lifetime else None


def _reference(account: Account, made: int) -> bytes:
    return _MADE.pack(made) + sha256(b"file reference %d %d" % (account.user_id, made)).digest()[: LENGTH - _MADE.size]
