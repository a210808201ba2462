"""Views of an archive with files: each path leads to the file, in every format and from Python."""
from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import tgbulk
from support.exporter import Exporter
from support.flat_oracle import expected
from support.medium import KINDS, rows
from tgbulk.stages.telegram.medium import largest_size

TYPES = {"photo", "video", "voice", "round", "audio", "document", "sticker", "animation"}


@pytest.fixture(scope="module")
def archive(_media_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media") / "archive"
    _media_exporter.calm()
    _media_exporter.run(root, "@sim_kinds", "--media", "all")
    return root


def downloaded(archive: Path) -> dict[tuple[str, int, str], tuple[str, str]]:
    """(path, SHA-256) of what lies below media/, by what Telegram calls it."""
    found = {}
    for row in rows(archive):
        if row["state"] == "done":
            data = (archive / "media" / row["path"]).read_bytes()
            found[row["kind"], row["id"], row["letter"]] = row["path"], hashlib.sha256(data).hexdigest()
    assert len(found) > 10
    return found


def with_files(archive: Path) -> list[dict[str, Any]]:
    """The rows that the flat record has to be, computed from TL objects and the files themselves."""
    files, wanted = downloaded(archive), expected(archive, KINDS)
    with open(archive / "chats" / str(KINDS) / "messages.jsonl", "rb") as lines:
        for row, line in zip(wanted, lines, strict=True):
            media = json.loads(line).get("media", {"_": ""})
            key = None
            if media["_"] == "messageMediaPhoto" and media.get("photo", {}).get("_") == "photo":
                size = largest_size(media["photo"]["sizes"])
                key = ("photo", media["photo"]["id"], size["type"]) if size else None
            elif media["_"] == "messageMediaDocument" and media.get("document", {}).get("_") == "document":
                key = "document", media["document"]["id"], ""
            if key in files:
                row["media_path"], row["media_sha256"] = files[key]
    return wanted


def test_the_flat_record_names_each_file_that_is_there(archive: Path, media_exporter: Exporter, tmp_path: Path) -> None:
    wanted = with_files(archive)
    assert {row["media_type"] for row in wanted if row["media_path"]} >= TYPES
    for row in wanted:
        if row["media_path"] and row["file_size"] is not None:
            assert (archive / "media" / row["media_path"]).stat().st_size == row["file_size"]
    done = media_exporter.tgbulk("render", "jsonl", str(archive), "-o", str(tmp_path / "jsonl"))
    assert done.returncode == 0, done.stderr
    got = [json.loads(line) for line in (tmp_path / "jsonl" / "message" / f"{KINDS}.jsonl").read_bytes().splitlines()]
    assert got == wanted

    done = media_exporter.tgbulk("render", "sqlite", str(archive), "-o", str(tmp_path / "sqlite"))
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "sqlite" / "chat.db")) as database:
        columns = "message_id, media_path, media_sha256, file_name, mime_type, file_size"
        found = list(database.execute(f"select {columns} from message where chat_id = ? order by message_id", (KINDS,)))
        assert found == [tuple(row[name] for name in columns.split(", ")) for row in wanted]
        there = {path: (sha256, size) for path, sha256, size in
                 database.execute("select path, sha256, file_size from media where path is not null")}
        assert there == {row["media_path"]: (row["media_sha256"], row["file_size"]) for row in wanted if row["media_path"]}


def test_python_finds_each_file(archive: Path) -> None:
    wanted = {row["message_id"]: row for row in with_files(archive)}
    found = 0
    for message in tgbulk.open(archive).chat(KINDS).messages():
        row, path = wanted[message.id], message.media.path if message.media else None
        assert path == (archive / "media" / row["media_path"] if row["media_path"] else None)
        if message.media is not None and path is not None:
            found += 1
            assert hashlib.sha256(path.read_bytes()).hexdigest() == row["media_sha256"]
            assert (message.media.mime_type, message.media.file_name) == (row["mime_type"], row["file_name"])
    assert found > 10
