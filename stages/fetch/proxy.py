"""A proxy, as people write it down: an address, or a link that Telegram's apps share (https://core.telegram.org/api/links).

    socks5://USER:PASSWORD@HOST:PORT   also socks4:// and http://; user and password may be left out
    mtproxy://SECRET@HOST:PORT
    tg://proxy?server=HOST&port=PORT&secret=SECRET        also https://t.me/proxy?...
    tg://socks?server=HOST&port=PORT&user=...&pass=...    also https://t.me/socks?...
    none                               none, whatever else is set

No message and no repr holds a user, a password or a secret.
"""
from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from tgbulk.engine.error import UsageError

#: Scheme -> the protocol, and its usual port.
SCHEMES = {
    "socks5": ("socks5", 1080), "socks5h": ("socks5", 1080), "socks": ("socks5", 1080),
    "socks4": ("socks4", 1080), "socks4a": ("socks4", 1080), "http": ("http", 8080), "mtproxy": ("mtproxy", 443),
}  # fmt: skip
#: Stands for what is not shown.
MASK = "***"
NONE = "none"
_LINK_HOSTS = {"t.me", "telegram.me", "www.t.me"}
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_SECRET_BYTES = 16


class ProxyError(UsageError):
    """the proxy: {0}"""

    advice = "Write it as socks5://HOST:PORT, http://HOST:PORT, mtproxy://SECRET@HOST:PORT, or as a tg://proxy link."


@dataclass(frozen=True, slots=True)
class Proxy:
    """The only way to the server: where it fails, nothing is asked without it."""

    #: socks5, socks4, http or mtproxy
    scheme: str
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    #: of an MTProxy: 32 hexadecimal digits
    secret: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Its address, without what nobody may see."""
        hidden = f"{MASK}@" if self.user or self.password or self.secret else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{hidden}{host}:{self.port}"

    @property
    def is_mtproxy(self) -> bool:
        """Whether it speaks MTProto itself, and knows the data centres by their numbers."""
        return self.scheme == "mtproxy"


def parse_proxy(text: str) -> Proxy | None:
    """The proxy that the text names, None for `none`. ProxyError says what is wrong, without quoting the text."""
    text = text.strip()
    if text.lower() == NONE:
        return None
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ProxyError("it is no address") from None
    if url.scheme == "tg" or (url.scheme in ("http", "https") and url.hostname in _LINK_HOSTS and url.query):
        return _from_link(url)
    if url.scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in ("socks5", "socks4", "http", "mtproxy"))
        raise ProxyError(f"it does not begin with one of {known}")
    scheme, usual = SCHEMES[url.scheme]
    if MASK in (url.username, unquote(url.netloc).partition("@")[0]):
        raise ProxyError(f"user, password and secret of {scheme}://{MASK}@... were not kept; give --proxy again")
    if url.path.strip("/") or url.query or url.fragment:
        raise ProxyError("there is more after its port")
    user = unquote(url.username) if url.username else None
    password = unquote(url.password) if url.password else None
    if scheme != "mtproxy":
        return _made(scheme, url.hostname, usual if port is None else port, user, password)
    return _made(scheme, url.hostname, usual if port is None else port, secret=user or "")


def _from_link(url: SplitResult) -> Proxy:
    kind = url.hostname if url.scheme == "tg" else url.path.strip("/")
    values = {name: found[-1] for name, found in parse_qs(url.query).items()}
    if kind not in ("proxy", "socks"):
        raise ProxyError("the link is none of a proxy")
    port = values.get("port", "")
    number = int(port) if re.fullmatch("[0-9]{1,5}", port) else 0
    if kind == "proxy":
        return _made("mtproxy", values.get("server"), number, secret=values.get("secret", ""))
    return _made("socks5", values.get("server"), number, values.get("user"), values.get("pass"))


def _made(
    scheme: str, host: str | None, port: int, user: str | None = None, password: str | None = None,
    secret: str | None = None,
) -> Proxy:  # fmt: skip
    if not host or not _HOST.fullmatch(host):
        raise ProxyError("it has no host")
    if not 1 <= port <= 65535:
        raise ProxyError("its port is not between 1 and 65535")
    if scheme == "socks4" and password:
        raise ProxyError("socks4 knows no password")
    return Proxy(scheme, host, port, user, password, None if secret is None else _secret(secret))


def _secret(text: str) -> str:
    """Its 16 bytes as hexadecimal digits, of any of the ways in which links have them."""
    if re.fullmatch(r"[0-9A-Fa-f]+", text) and len(text) % 2 == 0:
        data = bytes.fromhex(text)
    else:
        try:
            data = base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise ProxyError("its secret is neither hexadecimal nor base64") from None
    if data[:1] == b"\xee" and len(data) > _SECRET_BYTES:
        raise ProxyError("its secret asks for TLS (it begins with ee), which tgbulk does not speak; one with dd works")
    if data[:1] == b"\xdd" and len(data) == _SECRET_BYTES + 1:
        data = data[1:]
    if len(data) != _SECRET_BYTES:
        raise ProxyError(f"its secret has {len(data)} bytes, not {_SECRET_BYTES}")
    return data.hex()


def masked(text: str) -> str:
    """The same address without what nobody may see; what cannot be read is not shown at all."""
    try:
        proxy = parse_proxy(text)
    except ProxyError:
        return MASK
    return NONE if proxy is None else str(proxy)

