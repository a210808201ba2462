"""Views of messages that changed: what each format shows of them, and that rendering again comes to the same."""
from __future__ import annotations

import csv
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import tgbulk
from support.changed_archive import CLEARING, DELETED, RESTORED, VERSION, change, change_again, put
from support.lines_archive import CHAT, LinesArchive, message, user
from support.listener import Silent
from tgbulk.stages.archive.changes import CLEARED, Change
from tgbulk.stages.render.csv import Csv
from tgbulk.stages.render.desktop.format import Desktop
from tgbulk.stages.render.format import Format
from tgbulk.stages.render.html import part as html_part
from tgbulk.stages.render.html.site import Html
from tgbulk.stages.render.jsonl import Jsonl
from tgbulk.stages.render.markdown.note import PLAIN
from tgbulk.stages.render.markdown.vault import Markdown
from tgbulk.stages.render.parquet import Parquet
from tgbulk.stages.render.rendering import Rendering
from tgbulk.stages.render.sqlite import Sqlite
from tgbulk.stages.render.view import Filter

#: id -> (text, version, deleted_at, first_seen), of what changed.
EXPECTED: dict[int, tuple[str, int, int | None, int | None]] = {
    2: ("two, best", 3, 106, 102), 3: ("message 3", 1, 101, None), 5: ("late five", 1, None, 103),
    6: ("message 6", 1, None, None), 11: ("late eleven", 1, None, 107),
}


def render(root: Path, format: Format, out: Path) -> Silent:
    told = Silent()
    outcome = Rendering(root, format, Filter(), out, 1, told).execute([])
    assert not outcome.failed
    return told


def stamp(unix: int | None) -> str | None:
    return None if unix is None else f"1970-01-01T00:01:{unix - 60:02}Z"


def check(rows: list[tuple[int, str, int, Any, Any]], times: bool) -> None:
    assert [row[0] for row in rows] == list(range(1, 12))
    for number, text, version, deleted, seen in rows:
        *form, gone, known = EXPECTED.get(number, (f"message {number}", 1, None, None))
        assert [text, version] == form
        assert (deleted or None, seen or None) == ((stamp(gone), stamp(known)) if times else (gone, known))


def test_flat_text_formats(tmp_path: Path) -> None:
    put(tmp_path / "a")
    render(tmp_path / "a", Jsonl(), tmp_path / "jsonl")
    rows = [json.loads(line) for line in (tmp_path / "jsonl" / "message" / f"{CHAT}.jsonl").read_bytes().splitlines()]
    names = "message_id", "text", "version", "deleted_at", "first_seen"
    assert list(rows[0])[-3:] == list(names[2:])
    check([tuple(row[name] for name in names) for row in rows], True)
    chat = json.loads((tmp_path / "jsonl" / "chat.jsonl").read_bytes())
    assert (chat["versions"], chat["deleted"]) == (2, 2)
    render(tmp_path / "a", Csv(), tmp_path / "csv")
    with open(tmp_path / "csv" / "message" / f"{CHAT}.csv", newline="") as file:
        cells = list(csv.DictReader(file))
    check([(int(one["message_id"]), one["text"], int(one["version"]), one["deleted_at"], one["first_seen"])
           for one in cells], True)


def test_rows_of_every_version(tmp_path: Path) -> None:
    put(tmp_path / "a")
    for versions in ("first", "all"):
        render(tmp_path / "a", Jsonl(versions=versions), tmp_path / versions)
    first, every = (
        [json.loads(line) for line in (tmp_path / one / "message" / f"{CHAT}.jsonl").read_bytes().splitlines()]
        for one in ("first", "all")
    )
    assert [row["text"] for row in first][:3] == ["message 1", "message 2", "message 3"]
    assert len(first) == 11
    said = [(row["version"], row["text"], row["deleted_at"]) for row in every if row["message_id"] == 2]
    assert said == [(1, "message 2", stamp(106)), (2, "two, better", stamp(106)), (3, "two, best", stamp(106))]
    assert len(every) == 13
    assert "versions" not in Jsonl().options()


def test_parquet_and_sqlite(tmp_path: Path) -> None:
    put(tmp_path / "a")
    render(tmp_path / "a", Parquet(), tmp_path / "parquet")
    (path,) = (tmp_path / "parquet").rglob(f"*{CHAT}*")
    table = pq.read_table(path).to_pylist()
    seconds = [(row["message_id"], row["text"], row["version"],
                *(one and int(one.timestamp()) for one in (row["deleted_at"], row["first_seen"]))) for row in table]
    check(seconds, False)
    render(tmp_path / "a", Sqlite(), tmp_path / "sqlite")
    with closing(sqlite3.connect(tmp_path / "sqlite" / "chat.db")) as database:
        query = "select message_id, text, version, deleted_at, first_seen from message order by message_id"
        check(list(database.execute(query)), False)


def test_html_folds_earlier_texts_and_strikes_out_what_is_deleted(tmp_path: Path) -> None:
    put(tmp_path / "a")
    render(tmp_path / "a", Html("UTC"), tmp_path / "html")
    (path,) = (tmp_path / "html").rglob("messages.html")
    page = path.read_text()
    pieces = re.split('(?=<div class="message default clearfix[^"]*" id="message)', page)
    rows = {int(found[1]): one for one in pieces if (found := re.search(' id="message([0-9]+)"', one))}
    assert list(rows) == list(range(1, 12))
    assert [number for number, one in rows.items() if "data-deleted" in one] == [2, 3]
    assert "deleted, as was known on" in rows[3]
    assert [number for number, one in rows.items() if "<details>" in one] == [2]
    assert re.findall('<div class="earlier" dir="auto">(.*?)</div>', rows[2]) == ["two, better", "message 2"]
    assert "edited: 2 earlier versions" in rows[2]
    assert "two, best" in rows[2].partition("<details>")[0]


def test_markdown_names_what_is_deleted(tmp_path: Path) -> None:
    put(tmp_path / "a")
    for flavor in ("obsidian", PLAIN):
        render(tmp_path / "a", Markdown("UTC", flavor=flavor), tmp_path / flavor)
        text = "\n".join(path.read_text() for path in (tmp_path / flavor).rglob("*") if path.suffix in (".md", ".txt"))
        assert text.count("deleted, as was known on") == 2
        assert "two, best" in text
        assert "two, better" not in text


def test_what_deleted_itself_is_told_from_what_was_deleted(tmp_path: Path) -> None:
    made = LinesArchive(tmp_path / "a")
    first, second = message(1, ttl_period=60), message(2, ttl_period=60)
    made.put([first, second, message(3)], [user(7, "Ann")])
    over = [change(DELETED, 1, first["date"] + 60), change(DELETED, 2, second["date"] + 59), change(DELETED, 3, 1 << 31)]
    change_again(made, over, 4, versions=0, deleted=3, late=0)
    told = [one.auto_deleted for one in tgbulk.open(tmp_path / "a").chat(CHAT).messages()]
    assert told == [True, False, False]
    for format in (Html("UTC"), Markdown("UTC")):
        render(tmp_path / "a", format, tmp_path / format.name)
        text = "".join(path.read_text() for path in (tmp_path / format.name).rglob("*") if path.suffix in (".html", ".md"))
        assert (text.count("auto-deleted, as was known on"), text.count("deleted, as was known on")) == (1, 3)


def test_desktop_has_the_latest_and_when_it_was_edited(tmp_path: Path) -> None:
    put(tmp_path / "a")
    render(tmp_path / "a", Desktop("UTC", extra=True), tmp_path / "desktop")
    (path,) = (tmp_path / "desktop").rglob("result.json")
    found = {one["id"]: one for one in json.loads(path.read_bytes())["messages"]}
    assert list(found) == list(range(1, 12))
    assert (found[2]["text"], found[2]["edited_unixtime"]) == ("two, best", "95")
    assert found[2]["x"] == {"version": 3, "deleted_unixtime": "106"}
    assert "edited" not in found[4]


def test_the_public_api(tmp_path: Path) -> None:
    put(tmp_path / "a")
    chat = tgbulk.open(tmp_path / "a").chat(CHAT)
    found = {one.id: one for one in chat.messages()}
    two = found[2]
    assert (two.text, two.version, two.edited, [one.text for one in two.earlier]) == (
        "two, best", 3, True, ["message 2", "two, better"],
    )
    assert two.deleted_at is not None
    assert two.deleted_at.timestamp() == 106
    assert (found[1].version, found[1].edited, found[1].deleted_at, found[1].first_seen, found[1].earlier) == (
        1, False, None, None, [],
    )
    assert found[5].first_seen is not None
    assert [one.text for one in chat.messages(versions="first", max_id=3)] == ["message 1", "message 2", "message 3"]
    assert [one.version for one in chat.messages(versions="all", min_id=2, max_id=2)] == [1, 2, 3]
    with pytest.raises(tgbulk.UsageError):
        chat.messages(versions="newest")  # type: ignore[call-overload]


STEPS: list[tuple[list[Change], dict[str, int]]] = [
    ([change(VERSION, 44, 100, "forty-four", 90)], {"versions": 1}),
    ([change(DELETED, 3, 101), change(VERSION, 1, 102, "one", 91)], {"versions": 2, "deleted": 1}),
    ([change(RESTORED, 50, 103, "late fifty")], {"versions": 2, "deleted": 1, "late": 1}),
    ([change(CLEARING, 12, 104, how=CLEARED)], {"versions": 2, "deleted": 12, "late": 1}),
    ([change(RESTORED, 120, 105, "late, and the last")], {"versions": 2, "deleted": 12, "late": 2}),
]


@pytest.mark.parametrize("format", [
    Jsonl(), Csv(split="none"), Parquet(), Sqlite(), Sqlite(split="chat"), Html("UTC"), Markdown("UTC"), Desktop("UTC"),
], ids=lambda one: f"{one.name}-{getattr(one, 'split', '')}")
def test_changes_are_seen_by_the_next_render(format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (Format, Html, Markdown, Desktop):
        monkeypatch.setattr(one, "part_messages", 20)
    monkeypatch.setattr(html_part, "PAGE", 10)
    monkeypatch.setattr(Html, "page_messages", 10)
    archive = LinesArchive(tmp_path / "a")
    answer = {"_": "messageReplyHeader", "reply_to_msg_id": 1}
    listed = [message(n, reply_to=answer) if n == 70 else message(n) for n in range(1, 101) if n != 50]
    archive.put(listed, [user(7, "Ann")])
    render(archive.root, format, tmp_path / "again")
    said: list[Change] = []
    for number, (some, counts) in enumerate(STEPS):
        said += some
        change_again(archive, said, **({"versions": 0, "deleted": 0, "late": 0} | counts), hi=130)
        told = render(archive.root, format, tmp_path / "again")
        fresh = told.fresh[CHAT]
        if number == 0:
            assert fresh == [2]
        if number == 1 and format != Sqlite(split="chat"):  # whose file has the statement, too
            assert fresh == ([0, 3] if isinstance(format, Html | Markdown) else [0])
        render(archive.root, format, tmp_path / f"new{number}")
        same(tmp_path / "again", tmp_path / f"new{number}")
        assert render(archive.root, format, tmp_path / "again").fresh == {}


def same(first: Path, second: Path) -> None:
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for name in names:
        if name.suffix == ".db":
            assert dump(first / name) == dump(second / name)
        elif name.name != "render.json":
            assert (first / name).read_bytes() == (second / name).read_bytes(), name


def dump(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.execute("select * from message order by 1"))
