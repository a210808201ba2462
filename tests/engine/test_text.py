"""What came from outside reaches a terminal as text, and a program as it was."""
from __future__ import annotations

import ast
import sys
import unicodedata
from pathlib import Path

import orjson
import pytest

from tgbulk.engine.text import BIDI_CONTROLS, UNSAFE_CATEGORIES, harmless, json_line, printable

SCALARS = [chr(n) for n in range(sys.maxunicode + 1)]
UNSAFE = {c for c in SCALARS if unicodedata.category(c) in UNSAFE_CATEGORIES or c in BIDI_CONTROLS}


def test_every_character() -> None:
    """The three ways agree on what is unsafe."""
    assert {"\x1b", "\x9b", "\x07", "\x7f", "\u202e", "\u2066", "\u2028", "\n", "\r"} <= UNSAFE
    every = "".join(SCALARS)
    assert {c for c, shown in zip(every, printable(every), strict=True) if shown != c} == UNSAFE
    assert {c for c, shown in zip(every, harmless(every), strict=True) if shown != c} == UNSAFE - {"\n", "\t"}
    whole = "".join(c for c in SCALARS if unicodedata.category(c) != "Cs")
    line = json_line({"text": whole})
    assert orjson.loads(line) == {"text": whole}
    assert not set(line.decode()[:-1]) & UNSAFE


@pytest.mark.parametrize("value", [{"a": "\x1b[2J\x9b"}, ["\u202egnp.exe"], "plain", {"\x7f": 1}, {"é": "\u2028"}])
def test_a_line_is_one_and_means_the_same(value: object) -> None:
    line = json_line(value)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert orjson.loads(line) == value


def test_no_json_goes_to_a_program_past_the_door() -> None:
    """Apart from schemas, which are ours."""
    for path in (Path(__file__).parents[2] / "scripts" / "tgbulk" / "cli").glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        dumped = [ast.unparse(call) for call in calls if ast.unparse(call.func) in ("orjson.dumps", "json.dumps")]
        assert all("schema(" in call for call in dumped), path.name
