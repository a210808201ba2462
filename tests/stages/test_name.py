"""What people call a chat."""
from __future__ import annotations

import pytest

from stages.fetch.name import NotAChatError, Way, parse_name

HASH = "AbCdEf-gh_IJ1234"


@pytest.mark.parametrize(
    ("text", "way", "value"),
    [
        ("me", Way.SELF, ""),
        (" Me\n", Way.SELF, ""),
        ("self", Way.SELF, ""),
        ("777000", Way.ID, "777000"),
        ("-42", Way.ID, "-42"),
        ("-1001234567890", Way.ID, "-1001234567890"),
        ("@durov", Way.USERNAME, "durov"),
        ("durov", Way.USERNAME, "durov"),
        ("D_1", Way.USERNAME, "D_1"),
        ("t.me/durov", Way.USERNAME, "durov"),
        ("HTTPS://T.ME/durov", Way.USERNAME, "durov"),
        ("http://www.t.me/durov/", Way.USERNAME, "durov"),
        ("https://telegram.me/durov?start=x", Way.USERNAME, "durov"),
        ("https://telegram.dog/durov#x", Way.USERNAME, "durov"),
        ("https://t.me/durov/123", Way.USERNAME, "durov"),
        ("https://t.me/durov/12/123?comment=4", Way.USERNAME, "durov"),
        ("https://t.me/s/durov", Way.USERNAME, "durov"),
        ("https://t.me/s/durov/77", Way.USERNAME, "durov"),
        ("https://t.me/c/1234567890", Way.ID, "-1001234567890"),
        ("https://t.me/c/1234567890/55", Way.ID, "-1001234567890"),
        ("t.me/c/42/7/9", Way.ID, "-1000000000042"),
        (f"https://t.me/+{HASH}", Way.INVITE, HASH),
        (f"t.me/joinchat/{HASH}", Way.INVITE, HASH),
        (f"https://t.me/joinchat/{HASH}/", Way.INVITE, HASH),
        ("tg://resolve?domain=durov", Way.USERNAME, "durov"),
        ("tg://resolve?domain=durov&post=5", Way.USERNAME, "durov"),
        ("tg://resolve?start=1&domain=durov", Way.USERNAME, "durov"),
        (f"tg://join?invite={HASH}", Way.INVITE, HASH),
    ],
)
def test_names(text: str, way: Way, value: str) -> None:
    name = parse_name(text)
    assert (name.text, name.way, name.value) == (text.strip(), way, value)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "@", "0", "-0", "007", "-", "+49301234567", "1.5", "12345678901234567890", "@1st", "@ab", "a b",
        "@" + "x" * 33, "@dürov", "\u0664\u0662", "https://example.com/durov", "https://t.me/", "https://t.me/c/", "https://t.me/c/x/1",
        "https://t.me/s/", "t.me.example.com/durov", "tg://resolve?phone=1", "../me", "me\x00", "durov\nme",
    ],
)
def test_no_names(text: str) -> None:
    with pytest.raises(NotAChatError) as caught:
        parse_name(text)
    assert repr(text.strip()) in str(caught.value)
    assert caught.value.hint
