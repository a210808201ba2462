"""docs/events.md says what events are."""
from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import jsonschema

import tgbulk
from tgbulk.stages.archive.summary import RunSummary
from tgbulk.stages.run.log import PUBLIC

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = json.loads((Path(tgbulk.__path__[0]) / "schemas" / "event.json").read_bytes())


def test_the_docs_name_every_event_and_field() -> None:
    text = (DOCS / "events.md").read_text()
    sections = dict(part.split("\n", 1) for part in text.split("\n### ")[1:])
    for one, name in [*((one, name) for one, (name, _) in PUBLIC.items()), (RunSummary, "summary")]:
        section = sections[f"`{name}`"]
        assert [field.name for field in fields(one) if f"`{field.name}`" not in section] == [], name


def test_examples_in_the_docs_are_events() -> None:
    text = (DOCS / "events.md").read_text()
    examples = [json.loads(line) for line in text.splitlines() if line.startswith('{"event"')]
    assert len(examples) >= 3
    for example in examples:
        jsonschema.validate(example, SCHEMA)
