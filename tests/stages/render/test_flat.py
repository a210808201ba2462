"""The flat record against a second computation from the TL object."""
from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from support.flat_oracle import chats_of, expected
from support.lines_archive import LinesArchive, message
from support.listener import Silent
from tgbulk.stages.render.column import COLUMNS
from tgbulk.stages.render.csv import Csv
from tgbulk.stages.render.flat import action_name
from tgbulk.stages.render.flat_entity import Units
from tgbulk.stages.render.jsonl import Jsonl
from tgbulk.stages.render.parquet import Parquet
from tgbulk.stages.render.rendering import Rendering
from tgbulk.stages.render.sqlite import Sqlite
from tgbulk.stages.render.view import Filter


def test_every_column_of_every_message_of_the_demo_s_chats(demo: Path, tmp_path: Path) -> None:
    outcome = Rendering(demo, Jsonl(), Filter(), tmp_path / "out", 1, Silent()).execute([])
    assert not outcome.failed
    names = [one.name for one in COLUMNS]
    checked = 0
    for chat in chats_of(demo):
        lines = (tmp_path / "out" / "message" / f"{chat}.jsonl").read_bytes().splitlines()
        rows = [json.loads(line) for line in lines]
        assert all(list(row) == names for row in rows)
        for row, wanted in zip(rows, expected(demo, chat), strict=True):
            assert row == wanted
        checked += len(rows)
    assert checked > 4000


def test_columns_that_are_not_nullable_are_never_null(demo: Path, tmp_path: Path) -> None:
    Rendering(demo, Jsonl(split="none"), Filter(), tmp_path / "out", 1, Silent()).execute([])
    required = [one.name for one in COLUMNS if not one.null]
    for line in (tmp_path / "out" / "message.jsonl").read_bytes().splitlines():
        row = json.loads(line)
        assert [name for name in required if row[name] is None] == []
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["date"])


@pytest.mark.parametrize(("constructor", "name"), [
    ("messageActionChatAddUser", "chat_add_user"), ("messageActionSetMessagesTTL", "set_messages_ttl"),
    ("messageActionPinMessage", "pin_message"), ("messageActionEmpty", "empty"),
    ("messageActionSetChatWallPaper", "set_chat_wall_paper"), ("messageActionHTMLFooBar2Baz", "html_foo_bar2_baz"),
])
def test_actions_are_snake_case_and_runs_of_capitals_one_word(constructor: str, name: str) -> None:
    assert action_name(constructor) == name


def test_texts_are_cut_in_utf_16_units() -> None:
    assert Units("a🙂b").cut(1, 2) == "🙂"
    assert Units("a🙂b").cut(3, 9) == "b"
    assert Units("a🙂b").cut(1, 1) == "\ufffd"
    assert Units("äöü").cut(1, 1) == "ö"
    assert Units("").cut(0, 5) == ""


def test_what_a_server_should_not_say_is_a_row_all_the_same(tmp_path: Path) -> None:
    """An entity as only clients send it, a place and a duration that are no numbers, a username with a comma."""
    archive = LinesArchive(tmp_path / "archive")
    video = {"_": "documentAttributeVideo", "duration": "inf", "w": 3, "h": 2}
    document = {"_": "document", "id": 5, "mime_type": "", "size": 1, "attributes": [video]}
    sent = {"_": "inputMessageEntityMentionName", "offset": 0, "length": 1,
            "user_id": {"_": "inputUser", "user_id": 5, "access_hash": 1}}
    archive.put([
        message(1, "a", entities=[sent]), message(2, media={"_": "messageMediaDocument", "document": document}),
        message(3, media={"_": "messageMediaGeo", "geo": {"_": "geoPoint", "lat": "nan", "long": 1.5}}),
    ], [], usernames=['a,"b'])
    for format in (Jsonl(split="none"), Csv(split="none"), Parquet(split="none"), Sqlite()):
        outcome = Rendering(archive.root, format, Filter(), tmp_path / format.name, 1, Silent()).execute([])
        assert not outcome.failed
    first, second, third = map(json.loads, (tmp_path / "jsonl" / "message.jsonl").read_bytes().splitlines())
    assert (first["entities"][0]["type"], first["entities"][0]["user_id"]) == ("mention_name", None)
    assert (second["duration"], second["width"]) == (None, 3)
    assert (third["latitude"], third["longitude"]) == (None, 1.5)
    with (tmp_path / "csv" / "message.csv").open(newline="") as file:
        assert [row["url"] for row in csv.DictReader(file)] == [f'https://t.me/a,"b/{number}' for number in (1, 2, 3)]
