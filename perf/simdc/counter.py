"""What was asked and how it was answered, per account, method and byte."""
from __future__ import annotations

from collections import Counter as Multiset
from dataclasses import dataclass, field
from typing import Any

#: Stands for the index of the account before a login.
NOBODY = -1


@dataclass(slots=True)
class MethodCount:
    """One method as one account called it."""

    calls: int = 0
    #: calls in wait for a flood that the account had been told of
    early: int = 0
    floods: int = 0
    #: error message -> how often; floods are among them
    errors: Multiset[str] = field(default_factory=Multiset)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"calls": self.calls, "early": self.early, "floods": self.floods, "errors": dict(self.errors)}

    def add(self, other: MethodCount) -> None:
        """Take in what another account called."""
        self.calls += other.calls
        self.early += other.early
        self.floods += other.floods
        self.errors += other.errors


@dataclass(slots=True)
class AccountCount:
    """Everything of one account; bytes are those of requests and answers before encryption and framing."""

    bytes_in: int = 0
    bytes_out: int = 0
    methods: dict[str, MethodCount] = field(default_factory=dict)

    def method(self, name: str) -> MethodCount:
        """The count of one method, made at its first call."""
        count = self.methods.get(name)
        if count is None:
            count = self.methods[name] = MethodCount()
        return count


@dataclass(slots=True)
class Counter:
    """All accounts; `bytes_in` and `bytes_out` are those of the sockets."""

    connections: int = 0
    handshakes: int = 0
    #: connections refused for where they came from
    strangers: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    #: account index or NOBODY
    accounts: dict[int, AccountCount] = field(default_factory=dict)
    #: method -> when its first and its last call were answered, by time.monotonic()
    moments: dict[str, tuple[float, float]] = field(default_factory=dict)

    def touch(self, method: str, now: float) -> None:
        """Note that a call of this method is answered."""
        first, _ = self.moments.get(method, (now, now))
        self.moments[method] = first, now

    def account(self, index: int) -> AccountCount:
        """The count of one account, made at its first call."""
        count = self.accounts.get(index)
        if count is None:
            count = self.accounts[index] = AccountCount()
        return count

    def reset(self) -> None:
        """Count from zero."""
        self.connections = self.handshakes = self.strangers = self.bytes_in = self.bytes_out = 0
        self.accounts.clear()
        self.moments.clear()

    def to_dict(self) -> dict[str, Any]:
        """As JSON: totals, `methods` over all accounts, `accounts` by index ("-1" before a login), `moments`."""
        total: dict[str, MethodCount] = {}
        for account in self.accounts.values():
            for name, count in account.methods.items():
                total.setdefault(name, MethodCount()).add(count)
        return {
            "connections": self.connections,
            "handshakes": self.handshakes,
            "strangers": self.strangers,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "methods": {name: count.to_dict() for name, count in sorted(total.items())},
            "accounts": {
                str(index): {
                    "bytes_in": account.bytes_in,
                    "bytes_out": account.bytes_out,
                    "methods": {name: count.to_dict() for name, count in sorted(account.methods.items())},
                }
                for index, account in sorted(self.accounts.items())
            },
            "moments": self.moments,
        }
