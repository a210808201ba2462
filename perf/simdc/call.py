"""What a service is given and how it answers: the contract between the dispatcher and perf/simdc/services/."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tgbulk.perf.simdc.auth_key import Login
from tgbulk.perf.simdc.ledger import Ledger
from tgbulk.perf.simdc.world import Account, World


class RpcError(Exception):
    """An rpc_error answer: `code` as Telegram's (303, 400, 401, 403, 406, 420, 500), `message` as CHANNEL_PRIVATE."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


@dataclass(slots=True)
class Call:
    """One unwrapped request on its way to a service."""

    world: World
    dc_id: int
    login: Login
    takeout_id: int | None = None
    #: inclusive (min_id, max_id) of invokeWithMessagesRange
    message_range: tuple[int, int] | None = None
    #: what the data centres know beside the world; for the services of login, files and takeouts
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def account(self) -> Account:
        """The logged-in account; 401 AUTH_KEY_UNREGISTERED where there is none."""
        if self.login.account is None:
            raise RpcError(401, "AUTH_KEY_UNREGISTERED")
        return self.login.account


#: A service answers with a TL object, with bytes (the boxed object, already serialised), with a bool or a vector.
Service = Callable[[Call, Any], Any]

#: constructor id of the request -> (method name as `messages.getHistory`, service, may be called without a login)
REGISTRY: dict[int, tuple[str, Service, bool]] = {}


def method_name(request: type) -> str:
    """The schema's name of a Telethon request class, as messages.getHistory."""
    module = request.__module__.rpartition(".")[2]
    name = request.__name__.removesuffix("Request")
    method = name[0].lower() + name[1:]
    return method if module == "functions" else f"{module}.{method}"


def serves(request: type, *, anonymous: bool = False) -> Callable[[Service], Service]:
    """Register a function (call, request) -> answer for one Telethon request class."""
    method = method_name(request)

    def register(service: Service) -> Service:
        REGISTRY[request.CONSTRUCTOR_ID] = (method, service, anonymous)  # type: ignore[attr-defined]
        return service

    return register
