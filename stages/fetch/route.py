"""The way to a data centre: by which kind of address, through which proxy.

Telethon and python-socks open all connections; what they make of a proxy that fails is only logged, so it is kept here.
"""
from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from telethon import TelegramClient
from telethon.errors import BadRequestError
from telethon.network import ConnectionTcpMTProxyRandomizedIntermediate
from telethon.network.connection import tcpmtproxy
from telethon.tl import types

from tgbulk.engine.error import NetworkError
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.bound import AbridgedConnection, FullConnection, PaddedCodec, UnusableAnswer
from tgbulk.stages.fetch.error import UnusableAnswerError
from tgbulk.stages.fetch.proxy import Proxy

#: Telegram's data centres by number and family, for a session that knows only an address of the other one; the same as in
#: the official apps. help.getConfig names more of them once there is a connection.
DATA_CENTRES = {
    1: {"4": "149.154.175.50", "6": "2001:b28:f23d:f001::a"},
    2: {"4": "149.154.167.51", "6": "2001:67c:4e8:f002::a"},
    3: {"4": "149.154.175.100", "6": "2001:b28:f23d:f003::a"},
    4: {"4": "149.154.167.91", "6": "2001:67c:4e8:f004::a"},
    5: {"4": "149.154.171.5", "6": "2001:b28:f23f:f005::a"},
}
#: Where an account without a session begins, and the port of all.
FIRST_CENTRE, PORT = 2, 443


class AddressError(NetworkError):
    """data centre {0} of {1} has only IPv{2} addresses, and --ip {3} allows no other"""

    retryable = False
    advice = "Give --ip auto, or a --proxy that reaches the others."


class UnlistedCentreError(NetworkError):
    """{0} names data centre {1}, which is not in its list"""

    retryable = False


class _Proxied:
    """A connection through a proxy: keeps why there is none."""

    failure: str | None = None

    async def connect(self, timeout: float | None = None, ssl: Any = None) -> None:
        """As Telethon's; ConnectionError for all that a proxy may answer."""
        self.failure = None
        try:
            await super().connect(timeout, ssl)  # type: ignore[misc]
        except Exception as error:  # python-socks has errors of its own, and passes on those of its parsers
            text = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.failure = f"the proxy gives no connection: {text}"
            raise ConnectionError(self.failure) from error


class ProxiedFull(_Proxied, FullConnection):
    """The history's, through SOCKS or HTTP."""


class ProxiedAbridged(_Proxied, AbridgedConnection):
    """The files', through SOCKS or HTTP."""


class MTProxyConnection(_Proxied, ConnectionTcpMTProxyRandomizedIntermediate):  # type: ignore[misc]
    """Either, through an MTProxy; with padding, as every secret allows (core.telegram.org/mtproto/mtproto-transports)."""

    packet_codec = PaddedCodec


class _Ctr:
    """AES-CTR of the package cryptography; Telethon's is pure Python, half a megabyte a second."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        self.encrypt = self.decrypt = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update


class Client(TelegramClient):  # type: ignore[misc]
    """Telethon's client, which never takes an address that was not to be used."""

    access: Access

    async def _get_dc(self, dc_id: int, cdn: bool = False) -> Any:
        try:
            dc = await super()._get_dc(dc_id, cdn)
        except ValueError as error:
            raise UnlistedCentreError(self.access.server_name, dc_id) from error
        family = "6" if dc.ipv6 else "4"
        if _is_bound(self.access) and family != self.access.family:
            raise AddressError(dc_id, self.access.server_name, family, self.access.family)
        return dc

    async def get_me(self, input_peer: bool = False) -> Any:
        """As Telethon's, which takes whatever comes for a user."""
        me: Any = types.UserEmpty(0)
        with suppress(AttributeError, IndexError):
            me = await super().get_me(input_peer)
        if isinstance(me, types.UserEmpty):
            raise UnusableAnswerError(self.access.server_name, "users.getUsers", "it names no user")
        return me

    async def _on_login(self, user: Any) -> Any:
        """As Telethon's, whose look for what changed ends nothing where it fails: stages/fetch/updates.py has its own."""
        with suppress(UnusableAnswer, BadRequestError):
            await super()._on_login(user)
        return user


def history_transport(proxy: Proxy | None) -> type:
    """The class of the connections that everything but files goes over."""
    if proxy is not None and proxy.is_mtproxy and find_spec("cryptography"):
        tcpmtproxy.AESModeCTR = _Ctr
    return FullConnection if proxy is None else MTProxyConnection if proxy.is_mtproxy else ProxiedFull


def file_transport(proxy: Proxy | None) -> type:
    """The class of the connections for files; MTProto has a checksum of its own, this adds no other one."""
    return AbridgedConnection if proxy is None else MTProxyConnection if proxy.is_mtproxy else ProxiedAbridged


def telethon_proxy(proxy: Proxy | None) -> Any:
    """As Telethon takes it."""
    if proxy is None:
        return None
    if proxy.is_mtproxy:
        return proxy.host, proxy.port, proxy.secret
    # Both or none: a user without a password is one with an empty password.
    user, password = (proxy.user or "", proxy.password or "") if proxy.user or proxy.password else (None, None)
    return {
        "proxy_type": proxy.scheme, "addr": proxy.host, "port": proxy.port, "username": user, "password": password,
        "rdns": True,
    }  # fmt: skip


def addresses(access: Access, session: Any) -> list[tuple[int, str, int]]:
    """(data centre, host, port) to try, in this order. AddressError where --ip leaves none."""
    server = access.server
    dc_id = session.dc_id or (FIRST_CENTRE if server is None else server.dc_id)
    # A session that moved to another data centre keeps its address: the key belongs to that one.
    current = {_family(session.server_address): (session.server_address, session.port)} if session.server_address else {}
    if server is None:
        known = {family: (host, PORT) for family, host in DATA_CENTRES.get(dc_id, {}).items()} | current
        first = next(iter(current), "4")
    elif dc_id == server.dc_id:
        known = {_family(host): (host, server.port) for host in (server.host6, server.host) if host}
        first = _family(server.host)
    else:
        known, first = current, next(iter(current), "4")
    if _is_bound(access):
        if access.family not in known:
            raise AddressError(dc_id, access.server_name, "4" if access.family == "6" else "6", access.family)
        return [(dc_id, *known[access.family])]
    return [(dc_id, *known[family]) for family in sorted(known, key=lambda one: one != first)]


def _is_bound(access: Access) -> bool:
    """Whether one family of addresses alone is allowed; an MTProxy chooses them itself."""
    return access.family != "auto" and not (access.proxy and access.proxy.is_mtproxy)


def _family(host: str) -> str:
    """A name counts as IPv4: what it stands for, its resolver decides."""
    return "6" if ":" in host else "4"
