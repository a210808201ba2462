"""duckdb, pandas, polars and sqlite3 read every format to the same rows."""
from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.flat_oracle import chats_of, expected
from support.lines_archive import CHAT, LinesArchive, message, user
from support.listener import Silent
from tgbulk.stages.render.column import COLUMNS, LISTS, Kind
from tgbulk.stages.render.csv import Csv
from tgbulk.stages.render.jsonl import Jsonl
from tgbulk.stages.render.parquet import Parquet
from tgbulk.stages.render.rendering import Rendering
from tgbulk.stages.render.sqlite import Sqlite
from tgbulk.stages.render.view import Filter

pa = pytest.importorskip("pyarrow")
KINDS = {one.name: one for one in COLUMNS}
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One chat with something in most columns, and one that is plain."""
    made = LinesArchive(tmp_path_factory.mktemp("readers") / "archive")
    odd = 'a "quoted", text;\r\nwith two lines \U0001f642 = and \t tab'
    messages: list[dict[str, Any]] = [message(one) for one in range(1, 20)]
    messages += [
        message(20, odd, edit_date=1_700_009_999, edit_hide=True, out=True, pinned=True, views=2**40, grouped_id=2**62 + 3,
                entities=[{"_": "messageEntityBold", "offset": 0, "length": 3},
                          {"_": "messageEntityCustomEmoji", "offset": 2, "length": 2, "document_id": 2**60 + 1}],
                reactions={"_": "messageReactions", "results": [
                    {"_": "reactionCount", "reaction": {"_": "reactionEmoji", "emoticon": "\u2764"}, "count": 3}]}),
        message(21, "=1+1", media={"_": "messageMediaGeo", "geo": {"_": "geoPoint", "lat": -1.5, "long": 2.25}}),
        message(22, "-", media={"_": "messageMediaPoll", "results": {"_": "pollResults"}, "poll": {
            "_": "poll", "id": 1, "question": {"_": "textWithEntities", "text": "Well?", "entities": []}, "hash": 0,
            "answers": [{"_": "pollAnswer", "option": "AA==",
                         "text": {"_": "textWithEntities", "text": "Yes", "entities": []}}]}}),
        {"_": "messageService", "id": 23, "peer_id": {"_": "peerChannel", "channel_id": 1234567890}, "date": 1_700_002_000,
         "action": {"_": "messageActionChatAddUser", "users": [7, 8]}},
    ]
    made.put(messages, [user(7, "Anna \u2028 B")], CHAT)
    made.put([message(one) for one in range(1, 5)], [user(7, "Anna")], CHAT - 1)
    return made.root


def rendered(archive: Path, out: Path, format: Any) -> Path:
    outcome = Rendering(archive, format, Filter(), out, 1, Silent()).execute([])
    assert not outcome.failed
    return out


@pytest.fixture(scope="module")
def wanted(archive: Path) -> Rows:
    return [row for chat in chats_of(archive) for row in expected(archive, chat)]


def plain(name: str, value: Any) -> Any:
    """A value of any reader in the form of the JSON record."""
    column = KINDS[name]
    if hasattr(value, "tolist"):
        value = value.tolist()
    if column.kind in LISTS:
        if isinstance(value, str) and value:
            value = json.loads(value)
        return value if isinstance(value, list) else None
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)) or str(value) in ("NaT", "<NA>"):
        return None if column.null or column.kind != Kind.STRING else ""
    if column.kind == Kind.TIME:
        if isinstance(value, int):
            value = datetime.fromtimestamp(value, UTC)
        if isinstance(value, datetime):
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            value = aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return value
    if column.kind == Kind.BOOL:
        return value in (True, 1, "true", "True")
    if column.kind in (Kind.INT64, Kind.INT32):
        return int(value)
    return float(value) if column.kind == Kind.FLOAT64 else str(value)


def normal(rows: Rows) -> Rows:
    made = [{name: plain(name, row[name]) for name in KINDS} for row in rows]
    return sorted(made, key=lambda row: (row["chat_id"], row["message_id"]))


def test_json_lines(archive: Path, wanted: Rows, tmp_path: Path) -> None:
    duckdb, pandas, polars = (pytest.importorskip(name) for name in ("duckdb", "pandas", "polars"))
    out = rendered(archive, tmp_path / "out", Jsonl()) / "message"
    found = duckdb.sql(f"select * from read_json('{out}/*.jsonl', sample_size=-1)")
    assert normal([dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]) == normal(wanted)
    frames = [pandas.read_json(path, lines=True, dtype=False) for path in sorted(out.glob("*.jsonl"))]
    exact = [name for name in KINDS if name not in ("grouped_id", "views")]  # pandas makes floats of what may be null
    rows = [row for frame in frames for row in frame.to_dict("records")]
    assert [{name: row[name] for name in exact} for row in normal(rows)] == [
        {name: row[name] for name in exact} for row in normal(wanted)]
    read = [polars.read_ndjson(path, infer_schema_length=None).to_dicts() for path in sorted(out.glob("*.jsonl"))]
    assert normal([row for one in read for row in one]) == normal(wanted)


def test_csv(archive: Path, wanted: Rows, tmp_path: Path) -> None:
    duckdb, pandas, polars = (pytest.importorskip(name) for name in ("duckdb", "pandas", "polars"))
    out = rendered(archive, tmp_path / "out", Csv(split="none")) / "message.csv"
    found = duckdb.sql(f"select * from read_csv('{out}', all_varchar=true, header=true, delim=',', quote='\"', escape='\"')")
    assert normal([dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]) == normal(wanted)
    frame = pandas.read_csv(out, dtype=str, keep_default_na=False)
    assert normal(frame.to_dict("records")) == normal(wanted)
    assert normal(polars.read_csv(out, infer_schema=False).to_dicts()) == normal(wanted)


def test_parquet(archive: Path, wanted: Rows, tmp_path: Path) -> None:
    duckdb, pandas, polars = (pytest.importorskip(name) for name in ("duckdb", "pandas", "polars"))
    out = rendered(archive, tmp_path / "out", Parquet()) / "message"
    found = duckdb.sql(f"set timezone = 'UTC'; select * from '{out}/**/*.parquet'")
    assert normal([dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]) == normal(wanted)
    frame = pandas.read_parquet(out, dtype_backend="pyarrow")  # others make floats of ids inside of lists
    assert normal(frame.to_dict("records")) == normal(wanted)
    assert normal(polars.read_parquet(f"{out}/**/*.parquet").to_dicts()) == normal(wanted)


def test_parquet_has_the_types_of_the_spec(archive: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    out = rendered(archive, tmp_path / "out", Parquet())
    file = pq.ParquetFile(out / "message" / str(CHAT) / "part-00000.parquet")
    schema = file.schema_arrow
    assert schema.names == [one.name for one in COLUMNS]
    assert [schema.field(one.name).nullable for one in COLUMNS] == [one.null for one in COLUMNS]
    assert str(schema.field("date").type) == "timestamp[ms, tz=UTC]"
    assert schema.metadata[b"tgbulk.schema"] == b"1"
    group = file.metadata.row_group(0)
    assert group.column(0).compression == "ZSTD"
    assert group.column(1).is_stats_set
    assert group.column(1).has_column_index
    assert group.sorting_columns[0].column_index == 1


def test_sqlite(archive: Path, wanted: Rows, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = rendered(archive, tmp_path / "out", Sqlite()) / "chat.db"
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        assert normal([dict(row) for row in database.execute("select * from message")]) == normal(wanted)
        assert database.execute("pragma foreign_key_check").fetchall() == []
        assert database.execute("pragma user_version").fetchone()[0] == 1
        found = database.execute("select m.message_id from message_text t join message m on m.number = t.rowid"
                                 " where message_text match 'quoted'").fetchall()
        assert [row[0] for row in found] == [20]
        named = database.execute("select chat, sender, date from message_named where message_id = 20").fetchone()
        assert tuple(named) == ("A chat", "Anna \u2028 B", "2023-11-14T22:33:20Z")
        # Datasette needs the column that a foreign key names.
        assert [row["to"] for row in database.execute("pragma foreign_key_list (message)")] == ["id"]
        for name in ("message", "peer", "chat", "media", "entity", "reaction"):
            made = database.execute("select sql from sqlite_master where name = ?", (name,)).fetchone()[0]
            assert made.endswith(("STRICT", "STRICT, WITHOUT ROWID"))
    try:
        duckdb.sql("load sqlite")
    except duckdb.Error:
        return  # its extension has to be downloaded first
    rows = duckdb.sql(f"select * from sqlite_scan('{path}', 'message')")
    assert normal([dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]) == normal(wanted)


def test_cells_for_spreadsheets_are_no_formulas(archive: Path, tmp_path: Path) -> None:
    import csv

    path = rendered(archive, tmp_path / "plain", Csv(split="none")) / "message.csv"
    plain_rows = list(csv.reader(path.open(newline="")))
    path = rendered(archive, tmp_path / "excel", Csv(split="none", excel=True)) / "message.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    excel_rows = list(csv.reader(path.open(newline="", encoding="utf-8-sig")))
    guarded = [[f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and cell else cell for cell in row]
               for row in plain_rows]
    assert excel_rows == guarded
    assert any(cell == "'=1+1" for row in excel_rows for cell in row)
