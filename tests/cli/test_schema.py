"""The JSON Schemas against what tgbulk really writes."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.command import COMMAND, Tgbulk
from tgbulk.cli.schema import SCHEMAS, schema_bytes
from tgbulk.stages.render.column import COLUMNS

jsonschema = pytest.importorskip("jsonschema")


def checker(name: str) -> Any:
    schema = json.loads(schema_bytes(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_the_command_prints_each(name: str) -> None:
    done = subprocess.run([COMMAND, "schema", name], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, schema_bytes(name))
    checker(name)


def test_documents_of_an_archive(demo: Path) -> None:
    for name, folder in (("chat", "chats"), ("summary", "runs"), ("metrics", "runs")):
        found = list(demo.glob(f"{folder}/*/{name}.json"))
        assert found
        for path in found:
            checker(name).validate(json.loads(path.read_bytes()))


def test_events_of_an_export(tgbulk: Tgbulk, tmp_path: Path) -> None:
    tgbulk.login()
    done = tgbulk("export", "@sim_named", "nobody_there_x", "-o", str(tmp_path / "archive"), "--json", "--media", "photo")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    check = checker("event")
    for line in lines:
        check.validate(line)
    assert {"chat_started", "chat_ended", "chat_failed", "chat_stated", "media_stated", "summary"} <= {
        line["event"] for line in lines}
    summary = next((tmp_path / "archive" / "runs").glob("*/summary.json"))
    checker("summary").validate(json.loads(summary.read_bytes()))


def test_lines_of_a_render(demo: Path, tmp_path: Path) -> None:
    done = subprocess.run([COMMAND, "render", "jsonl", str(demo), "-o", str(tmp_path / "out"), "--split", "none", "-q"],
                          capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    check = checker("message")
    lines = (tmp_path / "out" / "message.jsonl").read_bytes().splitlines()
    for line in lines[::7]:
        check.validate(json.loads(line))
    assert len(lines) > 4000


def test_a_schema_refuses_what_it_does_not_describe() -> None:
    check = checker("message")
    assert not check.is_valid({"chat_id": 1})
    assert json.loads(schema_bytes("message"))["required"] == [one.name for one in COLUMNS]
    assert not checker("chat").is_valid({"id": "1"})
    assert not checker("event").is_valid({"event": "chat_progress", "level": "info", "time": 1, "run": "x"})
