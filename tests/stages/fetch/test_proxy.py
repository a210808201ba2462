"""A proxy as people write it down."""
from __future__ import annotations

import pytest

from tgbulk.stages.fetch.proxy import Proxy, ProxyError, masked, parse_proxy

SECRET = "0123456789abcdef0123456789abcdef"
MTPROXY = Proxy("mtproxy", "example.org", 443, secret=SECRET)


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("socks5://example.org", Proxy("socks5", "example.org", 1080)),
        ("socks://127.0.0.1:9/", Proxy("socks5", "127.0.0.1", 9)),
        ("socks5h://a%40b:c%3Ad@10.0.0.1:9050", Proxy("socks5", "10.0.0.1", 9050, "a@b", "c:d")),
        ("SOCKS4://name@h:1/", Proxy("socks4", "h", 1, "name")),
        ("http://u:p@[::1]:3128", Proxy("http", "::1", 3128, "u", "p")),
        (f"mtproxy://{SECRET}@example.org", MTPROXY),
        (f"mtproxy://dd{SECRET.upper()}@example.org:443", MTPROXY),
        (f"tg://proxy?server=example.org&port=443&secret={SECRET}", MTPROXY),
        (f"https://t.me/proxy?server=example.org&port=443&secret=dd{SECRET}", MTPROXY),
        # the same 16 bytes, with dd and without, in base64 as links have it
        ("tg://proxy?server=example.org&port=443&secret=3QEjRWeJq83vASNFZ4mrze8", MTPROXY),
        ("tg://proxy?server=example.org&port=443&secret=ASNFZ4mrze8BI0VniavN7w%3D%3D", MTPROXY),
        ("tg://socks?server=10.0.0.1&port=9050&user=u&pass=p", Proxy("socks5", "10.0.0.1", 9050, "u", "p")),
        ("https://t.me/socks?server=10.0.0.1&port=9050", Proxy("socks5", "10.0.0.1", 9050)),
        (" none ", None),
    ],
)
def test_what_people_write(text: str, proxy: Proxy | None) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin"),
        ("example.org:1080", "does not begin"),
        ("https://u:hunter2@example.org:443", "does not begin"),
        ("socks5://u:hunter2@", "no host"),
        ("socks5://u:hunter2@ex ample", "no host"),
        ("socks5://u:hunter2@h:99999", "no address"),
        ("socks5://u:hunter2@h:0", "not between"),
        ("socks5://u:hunter2@[::1", "no address"),
        ("socks4://u:hunter2@h", "no password"),
        ("http://u:hunter2@h:1/path", "more after its port"),
        ("mtproxy://example.org:443", "0 bytes"),
        ("mtproxy://hunter2@example.org:443", "base64|bytes"),
        (f"mtproxy://ee{SECRET}6578616d706c65@example.org", "asks for TLS"),
        ("tg://proxy?server=h&secret=hunter2", "base64|bytes|port"),
        ("https://t.me/durov?x=1", "none of a proxy"),
        ("socks5://***@h:1", "not kept"),
    ],
)
def test_mistakes_are_told_without_secrets(text: str, reason: str) -> None:
    with pytest.raises(ProxyError, match=reason) as caught:
        parse_proxy(text)
    assert "hunter2" not in str(caught.value) + caught.value.hint
    assert masked(text) == "***"


def test_nothing_shows_the_secrets() -> None:
    for text in (f"mtproxy://{SECRET}@h:1", "socks5://someone:hunter2@h:1", "http://someone@[::1]:1"):
        proxy = parse_proxy(text)
        shown = f"{proxy} {proxy!r} {masked(text)}"
        assert not any(word in shown for word in (SECRET, "someone", "hunter2"))
        assert "***@" in str(proxy)
    assert masked("http://h") == "http://h:8080"
    assert masked("none") == "none"
