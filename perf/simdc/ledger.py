"""What the data centres know together beside the world: auth keys, sessions, half-done logins, takeouts, addresses."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tgbulk.perf.simdc.auth_key import AuthKey, Login
from tgbulk.perf.simdc.session import Session
from tgbulk.perf.simdc.world import Account

#: Seconds that a login code, a login token and an exported authorization can be used.
CODE_LIFETIME = 300.0
TOKEN_LIFETIME = 30.0
#: Seconds that a file reference can be used.
REFERENCE_LIFETIME = 86400.0


@dataclass(slots=True)
class LoginToken:
    """A QR code that waits for somebody to scan it."""

    login: Login
    expires: float
    #: who scanned it
    account: Account | None = None


@dataclass(slots=True)
class Ledger:
    """Shared by all data centres of one server; `save` keeps what outlives a restart."""

    #: dc id -> (host, port)
    addresses: dict[int, tuple[str, int]] = field(default_factory=dict)
    #: the same by IPv6, where there is both
    addresses6: dict[int, tuple[str, int]] = field(default_factory=dict)
    #: the only family of addresses that the list of data centres has, 4 or 6; both when empty
    listed: str = ""
    #: auth key id -> key
    keys: dict[int, AuthKey] = field(default_factory=dict)
    #: auth key id -> its open sessions
    sessions: dict[int, list[Session]] = field(default_factory=dict)
    tokens: dict[bytes, LoginToken] = field(default_factory=dict)
    #: id -> (account, dc id, secret bytes) of auth.exportAuthorization
    exports: dict[int, tuple[Account, int, bytes]] = field(default_factory=dict)
    #: takeout id -> account index
    takeouts: dict[int, int] = field(default_factory=dict)
    #: account index -> Unix time from which a takeout may begin
    takeout_due: dict[int, float] = field(default_factory=dict)
    #: seconds that a first account.initTakeoutSession is put off
    takeout_delay: float = 0.0
    code_lifetime: float = CODE_LIFETIME
    token_lifetime: float = TOKEN_LIFETIME
    reference_lifetime: float = REFERENCE_LIFETIME
    save: Callable[[], None] = field(default=lambda: None)

    def logged_in(self, login: Login, account: Account | None) -> None:
        """Log an auth key in as an account, or out."""
        login.account = account
        login.pending.clear()
        self.save()

    def keys_of(self, account: Account) -> list[AuthKey]:
        """Every auth key that is logged in as this account."""
        return [key for key in self.keys.values() if key.login.account is account]

    def push(self, key_id: int, update: bytes) -> None:
        """Send an update, boxed and serialised, to every open session of an auth key."""
        for session in self.sessions.get(key_id, ()):
            session.send(update)
