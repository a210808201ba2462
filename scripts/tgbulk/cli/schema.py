"""`tgbulk schema`"""
from __future__ import annotations

import sys
from importlib.resources import files

import click
import orjson

from tgbulk.stages.render.json_schema import flat_schema

#: Name -> what it describes.
SCHEMAS = {
    "message": "a line of render jsonl",
    "event": "a line of export --json",
    "summary": "summary.json of a run",
    "metrics": "metrics.json of a run",
    "chat": "chat.json of a chat",
}


@click.command(epilog="  ".join(f"{name}: {what}." for name, what in SCHEMAS.items()))
@click.argument("name", type=click.Choice(list(SCHEMAS)))
def schema(name: str) -> None:
    """Print a JSON Schema of what tgbulk writes."""
    sys.stdout.buffer.write(schema_bytes(name))


def schema_bytes(name: str) -> bytes:
    """The schema as a file has it."""
    if name == "message":
        return orjson.dumps(flat_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return (files("tgbulk") / "schemas" / f"{name}.json").read_bytes()
