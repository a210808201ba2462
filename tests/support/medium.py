"""Media of an export for tests: what the index and the disk say, compared with the server's truth."""
from __future__ import annotations

import hashlib
import json
import sqlite3
import stat
from pathlib import Path
from typing import Any

KINDS = -1001500000011
CHATS = ("@sim_kinds", "me")
GET_FILE = "upload.getFile"
#: The chats of few large and of many small files.
BIG, SMALL = (2, 10_000_000), (150, 20_000)


def rows(archive: Path) -> list[dict[str, Any]]:
    database = sqlite3.connect(f"file:{archive}/media.sqlite?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in database.execute("select * from file")]
    finally:
        database.close()


def files(archive: Path) -> dict[str, bytes]:
    return {str(path.relative_to(archive / "media")): path.read_bytes()
            for path in (archive / "media").rglob("*") if path.is_file()}


def check(archive: Path, truth: dict[tuple[str, int, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every file is as the truth has it, and nothing else is there; the rows of the files by path."""
    done = {row["path"]: row for row in rows(archive) if row["state"] == "done"}
    assert files(archive).keys() == done.keys()
    for path, data in files(archive).items():
        row = done[path]
        digest = hashlib.sha256(data).hexdigest()
        assert (row["size"], row["sha256"].hex()) == (len(data), digest)
        if row["kind"] != "peer_photo":
            true = truth[row["kind"], row["id"], row["letter"]]
            assert (len(data), digest) == (true["size"], true["sha256"])
        status = (archive / "media" / path).lstat()
        assert stat.S_IMODE(status.st_mode) & 0o133 == 0
        assert not row["date"] or status.st_mtime == row["date"]
    return done


def summary(archive: Path) -> dict[str, Any]:
    newest = max((archive / "runs").glob("*/summary.json"), key=lambda path: path.stat().st_mtime_ns)
    found: dict[str, Any] = json.loads(newest.read_text())["media"]
    return found
