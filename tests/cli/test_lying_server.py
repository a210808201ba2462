"""Servers that lie about a history: what is not there is missed, asked for again, or said; nothing of others is believed."""
from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telethon.tl import types

from support.exporter import HISTORY, Exporter, chat_json, lines, wrong

CHAT = -1003000000002
NAME = "@sim_changing"
COUNT = 3000


def raw(answer: Any) -> dict[str, Any]:
    return {"lie": "raw", "data": base64.b64encode(bytes(answer)).decode()}


def change(field: str, value: Any) -> dict[str, Any]:
    return {"lie": "change", "field": field, "value": value}


def empty(count: int) -> dict[str, Any]:
    return raw(types.messages.ChannelMessages(1, count, [], [], [], []))


EMPTY = empty(COUNT)
WHOLE = raw(types.messages.Messages([], [], [], []))
NOT_MODIFIED = raw(types.messages.MessagesNotModified(COUNT))


@pytest.fixture(autouse=True)
def _truth(exporter: Exporter) -> Iterator[None]:
    yield
    exporter.dc.control("lie", method=HISTORY)


def lied(exporter: Exporter, lie: dict[str, Any], after: int = 0, times: int | None = None) -> None:
    exporter.dc.control("lie", method=HISTORY, after=after, times=times, **lie)


@pytest.mark.parametrize("after", [0, 1, 7, 20, 29])
@pytest.mark.parametrize("lie", [EMPTY, WHOLE, *(change(f"messages.{n}.id", 0) for n in (0, 50))])
def test_a_lie_that_is_told_once(exporter: Exporter, tmp_path: Path, lie: dict[str, Any], after: int) -> None:
    """The archive is that of an honest server."""
    truth = exporter.truth(tmp_path, [CHAT])
    if lie is EMPTY:  # tests before this one may have added messages
        lie = empty((truth / f"{CHAT}.jsonl").read_bytes().count(b"\n"))
    lied(exporter, lie, after, 1)
    exporter.run(tmp_path / "archive", NAME)
    assert wrong(tmp_path / "archive", truth, [CHAT]) == {}


@pytest.mark.parametrize(
    "lie", [change("messages.*.peer_id.channel_id", 77), change("messages.3", None), change("messages.2.id", -5)]
)
def test_what_are_no_messages_of_the_chat(exporter: Exporter, tmp_path: Path, lie: dict[str, Any]) -> None:
    """A page with such a thing is asked for in smaller ones; what stays is set aside by itself."""
    lied(exporter, lie, 5, 2)
    exporter.run(tmp_path / "archive", NAME)
    assert wrong(tmp_path / "archive", exporter.truth(tmp_path, [CHAT]), [CHAT]) == {}
    lied(exporter, change("messages.*.peer_id.channel_id", 77))
    done = exporter.run(tmp_path / "other", NAME, "--last", "5", code=3)
    assert "of another chat" in done.stderr
    assert lines(tmp_path / "other", CHAT) == []


@pytest.mark.parametrize("after", [0, 9])
@pytest.mark.parametrize("size", [4, 1 << 20])
def test_answers_that_are_no_pages(exporter: Exporter, tmp_path: Path, after: int, size: int) -> None:
    """Some of them are kept, on disk and not in memory; then the chat is left for another run."""
    lied(exporter, {"lie": "raw", "data": base64.b64encode(b"\xde\xad\xbe\xef").decode(), "repeat": size // 4}, after)
    done = exporter.run(tmp_path / "archive", NAME, code=3)
    assert "cannot be decoded" in done.stderr
    kept = [one.stat().st_size for one in (tmp_path / "archive").glob("quarantine/*.tl")]
    assert sum(kept) >= 20 * size
    assert len(kept) == 1 or after
    lied(exporter, {"lie": None})
    exporter.run(tmp_path / "archive", NAME)
    assert wrong(tmp_path / "archive", exporter.truth(tmp_path, [CHAT]), [CHAT]) == {}
    assert not list((tmp_path / "archive").glob("quarantine/*"))


@pytest.mark.parametrize(
    ("lie", "after", "said"),
    [
        (EMPTY, 0, "counts 3,000 messages and gives none"),
        (EMPTY, 9, "gives no message from id"),
        (WHOLE, 9, "gives no message from id"),
        (NOT_MODIFIED, 3, "nothing changed"),
        ({"lie": "ignore", "field": "offset_id", "value": 0}, 0, "gives no message from id"),
    ],
)
def test_a_lie_that_is_told_always(
    exporter: Exporter, tmp_path: Path, lie: dict[str, Any], after: int, said: str
) -> None:
    """The chat fails, others do not; the next run goes on."""
    lied(exporter, lie, after)
    *_, ended = exporter.events(tmp_path / "archive", NAME, code=4)
    assert said in ended["failed"][0]["reason"]
    assert ended["new_messages"] == len(lines(tmp_path / "archive", CHAT))
    done = exporter.run(tmp_path / "archive", NAME, code=4)
    assert said in done.stderr
    assert "Run the same command again" in done.stderr
    lied(exporter, {"lie": None})
    exporter.run(tmp_path / "archive", NAME)
    assert wrong(tmp_path / "archive", exporter.truth(tmp_path, [CHAT]), [CHAT]) == {}


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        (406, "", "error 406, without a text"),
        (406, "UPDATE_APP_TO_LOGIN", "UPDATE_APP_TO_LOGIN"),
        (406, "NEVER_SEEN", "NEVER_SEEN"),
        (403, "CHAT_FORBIDDEN", "CHAT_FORBIDDEN"),
        (400, "", "error 400, without a text"),
        (0, "", "error 0, without a text"),
    ],
)
def test_the_text_of_a_refusal_is_not_lost(
    exporter: Exporter, tmp_path: Path, code: int, message: str, said: str
) -> None:
    """And the line of a chat without a page has its title."""
    lied(exporter, {"lie": "refuse", "code": code, "message": message})
    done = exporter.run(tmp_path, NAME, code=4)
    assert said in done.stderr
    title = chat_json(tmp_path, CHAT)["title"]
    assert f"{CHAT}  {title}:" in done.stderr


def test_the_highest_id_ends_a_chat_in_order(exporter: Exporter, tmp_path: Path) -> None:
    """And what is missing then is said."""
    lied(exporter, change("messages.0.id", 2**31 - 1), 5, 1)
    done = exporter.run(tmp_path, NAME, code=3)
    assert "messages more than it gives" in done.stderr
    assert "verify --against-server" in done.stderr
    exporter.run(tmp_path, NAME, code=0)


@pytest.mark.parametrize("words", [("--since", "2020-01-01"), ("--until", "2020-01-01")])
def test_a_server_that_ignores_dates(exporter: Exporter, tmp_path: Path, words: tuple[str, str]) -> None:
    lied(exporter, {"lie": "ignore", "field": "offset_date"})
    done = exporter.run(tmp_path, NAME, *words, code=4)
    assert "takes no notice of the date" in done.stderr


@pytest.mark.parametrize("size", [1, 200, 1_500])
def test_texts_without_end(exporter: Exporter, tmp_path: Path, size: int) -> None:
    """And without control of a terminal."""
    lied(exporter, {"lie": "refuse", "code": 400, "message": "X\x1b[31m\x9b\x07\u202e" * size})
    done = exporter.run(tmp_path / "1", NAME, code=4)
    assert len(done.stderr) < 2_000
    assert not set(done.stderr) & set("\x1b\x9b\x07\u202e")
    said = exporter.run(tmp_path / "2", NAME, "--json", code=4).stdout
    assert not set(said) & set("\x1b\x9b\x07\u202e")
    lied(exporter, change("chats.*.title", "T\x1b\u202e" * size), 0, 3)
    done = exporter.run(tmp_path / "3", NAME)
    assert not set(done.stderr) & set("\x1b\u202e")
