"""Rendering again does what changed, and comes to what a render from nothing comes to; so do any number of workers."""
from __future__ import annotations

import filecmp
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.lines_archive import CHAT, LinesArchive, message, user
from support.listener import Silent
from tgbulk.stages.render.csv import Csv
from tgbulk.stages.render.flat_format import FlatFormat
from tgbulk.stages.render.format import Format
from tgbulk.stages.render.jsonl import Jsonl
from tgbulk.stages.render.parquet import Parquet
from tgbulk.stages.render.rendering import Rendering
from tgbulk.stages.render.sqlite import Sqlite
from tgbulk.stages.render.view import Filter

OTHER = -1009999999999
FORMATS = [
    Jsonl(), Jsonl(split="month"), Jsonl(split="none"), Csv(), Csv(split="none", excel=True), Parquet(),
    Parquet(split="month"), Sqlite(), Sqlite(split="chat"),
]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chats of some hundred messages have many parts, then."""
    monkeypatch.setattr(Format, "part_messages", 40)


def render(archive: LinesArchive, format: Format, out: Path, workers: int = 1, wanted: Filter | None = None) -> Silent:
    told = Silent()
    outcome = Rendering(archive.root, format, wanted or Filter(), out, workers, told).execute([])
    assert not outcome.failed
    return told


def same(first: Path, second: Path) -> None:
    """Whole folders, byte for byte; databases row for row; the state of the render but for its times."""
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for name in names:
        if name.suffix == ".db":
            assert rows(first / name) == rows(second / name)
        elif name.name != "render.json":
            assert filecmp.cmp(first / name, second / name, shallow=False), name


def rows(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as database:
        tables = [name for name, in database.execute("select name from sqlite_master where type in ('table', 'view')"
                                                     " and name not like 'message_text_%'")]
        return {name: list(database.execute(f"select * from {name} order by 1, 2")) for name in sorted(tables)}


def rounds() -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]]:
    """(messages, peers, fields of chat.json): one state of a chat after the other."""
    numbers = [one for one in range(1, 400) if one % 7]
    people = [user(7, "Anna"), user(8, "Bob")]
    yield [message(one, sender=7 + one % 3) for one in numbers], [*people], {}
    numbers += range(400, 480)  # more at the end
    yield [message(one, sender=7 + one % 3) for one in numbers], [*people], {}
    numbers = sorted({*numbers, 203, 210, 217})  # some in the middle
    yield [message(one, sender=7 + one % 3) for one in numbers], [*people], {}
    people.append(user(9, "Newly known"))  # who was named before
    yield [message(one, sender=7 + one % 3) for one in numbers], [*people], {}
    people.append(user(8, "Robert"))  # another name
    yield [message(one, sender=7 + one % 3) for one in numbers], [*people], {}
    yield [message(one, sender=7 + one % 3) for one in numbers], [*people], {"title": "Renamed", "usernames": ["renamed"]}


@pytest.mark.parametrize("format", FORMATS, ids=lambda one: f"{one.name}-{one.split}")
def test_incremental_rounds_equal_a_render_from_nothing(tmp_path: Path, format: FlatFormat) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(one) for one in range(1, 50)], [user(7, "Anna")], OTHER, title="Other")
    for number, (messages, peers, about) in enumerate(rounds()):
        archive.put(messages, peers, CHAT, **about)
        render(archive, format, tmp_path / "again")
        render(archive, format, tmp_path / f"new{number}")
        same(tmp_path / "again", tmp_path / f"new{number}")


@pytest.mark.parametrize("format", FORMATS, ids=lambda one: f"{one.name}-{one.split}")
def test_any_number_of_workers_comes_to_the_same_bytes(tmp_path: Path, format: FlatFormat) -> None:
    archive = LinesArchive(tmp_path / "archive")
    messages, peers, about = next(rounds())
    archive.put(messages, peers, CHAT, **about)
    archive.put(messages[:30], peers, OTHER)
    render(archive, format, tmp_path / "one")
    render(archive, format, tmp_path / "four", workers=4)
    one, four = tmp_path / "one", tmp_path / "four"
    for path in one.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (four / path.relative_to(one)).read_bytes()
    assert len(list(one.rglob("*"))) == len(list(four.rglob("*")))


def test_only_parts_that_changed_are_rendered(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    states = list(rounds())
    expected = [
        list(range(9)),  # 342 messages, 40 a part
        [8, 9, 10],  # the last part, and what follows
        [4, 5, 6, 7, 8, 9, 10],  # from the part in which a message came
        list(range(11)),  # a peer that every part had looked for
        list(range(11)),  # a name that any part may have
        list(range(11)),  # the username is in every link
    ]
    for (messages, peers, about), parts in zip(states, expected, strict=True):
        archive.put(messages, peers, CHAT, **about)
        assert render(archive, Jsonl(), tmp_path / "out").fresh == {CHAT: parts}
    assert render(archive, Jsonl(), tmp_path / "out").fresh == {}


def test_a_title_alone_changes_the_tables_alone(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(1)], [user(7, "Anna")], CHAT)
    render(archive, Jsonl(), tmp_path / "out")
    archive.put([message(1)], [user(7, "Anna")], CHAT, title="Another")
    assert render(archive, Jsonl(), tmp_path / "out").fresh == {}
    assert b'"Another"' in (tmp_path / "out" / "chat.jsonl").read_bytes()


def test_files_that_no_render_has_any_more_go(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(1)], [], CHAT)
    render(archive, Jsonl(), tmp_path / "out")
    render(archive, Jsonl(split="month"), tmp_path / "out")
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in tmp_path.glob("out/**/*.jsonl")) == [
        "chat.jsonl", f"message/{CHAT}/2023-11.jsonl", "peer.jsonl"]


def test_a_file_that_was_removed_or_cut_is_made_again(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(one) for one in range(1, 100)], [], CHAT)
    render(archive, Jsonl(), tmp_path / "out")
    path = tmp_path / "out" / "message" / f"{CHAT}.jsonl"
    whole = path.read_bytes()
    for spoil in (lambda: path.unlink(), lambda: path.write_bytes(whole[:1000])):
        spoil()
        render(archive, Jsonl(), tmp_path / "out")
        assert path.read_bytes() == whole


def test_a_filter_leaves_what_it_says(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(one) for one in range(1, 100)], [], CHAT)
    wanted = Filter(since=1_700_000_000 + 60 * 45, until=1_700_000_000 + 60 * 50)
    render(archive, Csv(), tmp_path / "out", wanted=wanted)
    lines = (tmp_path / "out" / "message" / f"{CHAT}.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["message_id", "45", "46", "47", "48", "49", "50"]
