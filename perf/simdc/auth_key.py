"""The secret that a client and a data centre share."""
from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from typing import Any

from tgbulk.perf.simdc.world import Account

#: Seconds that a server salt is the current one; it is accepted for as long again.
SALT_PERIOD = 1800


@dataclass(slots=True)
class Login:
    """What is known of one auth key: whom it is logged in as, and what a half-done login has reached."""

    key_id: int
    account: Account | None = None
    pending: dict[str, Any] = field(default_factory=dict)
    #: it was used from two addresses at a time, which ends it for good
    duplicated: bool = False
    #: of the containers of updates that this login was sent
    seq: int = 1


@dataclass(slots=True)
class AuthKey:
    """One 256-byte auth key of one data centre, and who is logged in with it."""

    secret: bytes
    dc_id: int
    #: the salt of the handshake, good for the key's first period
    first_salt: int
    made: int
    login: Login

    @classmethod
    def create(cls, secret: bytes, dc_id: int, first_salt: int, made: int) -> AuthKey:
        """A key that nobody is logged in with."""
        key_id = int.from_bytes(sha1(secret).digest()[12:20], "little")
        return cls(secret, dc_id, first_salt, made, Login(key_id))

    @property
    def id_bytes(self) -> bytes:
        """The key's id as it stands before every packet."""
        return self.login.key_id.to_bytes(8, "little")

    def salt(self, period: int) -> int:
        """The server salt of one period (Unix time over SALT_PERIOD), signed."""
        digest = sha256(self.secret + period.to_bytes(8, "little")).digest()
        return int.from_bytes(digest[:8], "little", signed=True)

    def salt_now(self) -> int:
        """The salt that the server writes and tells its clients."""
        return self.salt(int(time.time()) // SALT_PERIOD)

    def accepts(self, salt: int, now: float) -> bool:
        """Whether a message may carry this salt."""
        period = int(now) // SALT_PERIOD
        if salt == self.first_salt and now < self.made + SALT_PERIOD:
            return True
        return salt in (self.salt(period), self.salt(period - 1))
