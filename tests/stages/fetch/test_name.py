"""What people call a chat."""
from __future__ import annotations

import pytest

from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.fetch.name import NotAChatError, Way, marked_forms, merge_parts, parse_name, part_of
from tgbulk.stages.fetch.part import ChatPart, at_most

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


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("https://t.me/durov/123", ChatPart.of(123, 123)),
        ("https://t.me/durov/123?single", ChatPart.of(123, 123)),
        ("https://t.me/durov/120-123", ChatPart.of(120, 123)),
        ("https://t.me/durov/12/123", ChatPart.of(123, 123)),
        ("https://t.me/c/1234567890/55", ChatPart.of(55, 55)),
        ("https://t.me/c/1234567890/7/55-60", ChatPart.of(55, 60)),
        ("https://t.me/durov/123?comment=4", ChatPart(post=123, comment=4)),
        ("https://t.me/durov/5?thread=5", ChatPart(topic=5)),
        ("https://t.me/durov?topic=5", ChatPart(topic=5)),
        ("https://durov.t.me/77", ChatPart.of(77, 77)),
        ("tg://resolve?domain=durov&post=5&comment=9", ChatPart(post=5, comment=9)),
        ("tg://privatepost?channel=1234567890&post=5", ChatPart.of(5, 5)),
        ("https://web.telegram.org/a/#-1001234567890_55", ChatPart.of(55, 55)),
        ("https://web.telegram.org/k/#@durov", None),
        ("me/7-9", ChatPart.of(7, 9)),
        ("me/7,9-12", ChatPart((IdRange(7, 8), IdRange(9, 13)))),
        ("https://t.me/durov/9-12,7,8", ChatPart((IdRange(7, 8), IdRange(8, 9), IdRange(9, 13)))),
        ("https://web.telegram.org/a/#1234_3,5", ChatPart((IdRange(3, 4), IdRange(5, 6)))),
        ("https://t.me/durov/7,,9", None),
        ("https://t.me/durov/app", None),
        ("https://t.me/durov/9-3", None),
    ],
)
def test_parts(text: str, part: ChatPart | None) -> None:
    name = parse_name(text)
    assert name.part == part
    if part is not None:
        again = parse_name(part_of(name, part).text)
        assert (again.way, again.value, again.part) == (name.way, name.value, part)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("https://t.me/share/url?url=x", "shares"), ("https://t.me/addlist/abc", "folder"), ("t.me/boost/durov", "boost"),
        ("https://t.me/proxy?server=x&port=1&secret=y", "proxy"), ("https://t.me/addstickers/Cats", "stickers"),
        ("https://t.me/+4930123456", "phone"), ("https://t.me/durov/s/12", "story"), ("tg://proxy?server=x", "proxy"),
        ("https://t.me/$abcdef", "invoice"), ("https://t.me/setlanguage/de", "language"),
    ],
)
def test_links_that_are_no_chat(text: str, what: str) -> None:
    with pytest.raises(NotAChatError) as caught:
        parse_name(text)
    assert repr(text) in str(caught.value)
    assert what in str(caught.value)


def test_parts_of_one_chat_become_one() -> None:
    names = [parse_name(text) for text in ("t.me/durov/9", "me", "t.me/Durov/3-4", "t.me/durov", "t.me/other/1")]
    merged = merge_parts(names)
    assert [(name.value, name.part) for name in merged] == [
        ("", None), ("durov", None), ("durov", ChatPart((IdRange(3, 5), IdRange(9, 10)))), ("other", ChatPart.of(1, 1)),
    ]
    assert parse_name(merged[2].text).part == merged[2].part


def test_forms_of_a_bare_id() -> None:
    assert marked_forms(1234567890) == [-1234567890, -1001234567890]
    assert marked_forms(-1234567890) == [1234567890, -1001234567890]
    assert marked_forms(-1001234567890) == []


def test_too_many_ranges_lose_their_smallest_gaps() -> None:
    assert at_most([IdRange(1, 2), IdRange(3, 4), IdRange(9, 10), IdRange(10, 11), IdRange(90, 91)], 2) == [
        IdRange(1, 11), IdRange(90, 91)]
    many = [parse_name(f"t.me/durov/{2 * number}") for number in range(1, 2_001)]
    part = merge_parts(many)[0].part
    assert part is not None
    assert len(part.ids) == 1_000
    assert (part.ids[0].lo, part.ids[-1].hi) == (2, 4_001)
