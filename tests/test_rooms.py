"""What only one room may know: the fields of the archive's rows and documents. Others ask stages/archive for them."""
from __future__ import annotations

import ast
import inspect
import os
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
from telethon.tl import alltlobjects

import tgbulk
from tgbulk.stages.archive.about import ChatAbout
from tgbulk.stages.archive.quarantine import Undecoded
from tgbulk.stages.archive.row import ChatRow
from tgbulk.stages.archive.statement import Statement
from tgbulk.stages.archive.summary import RunSummary

ROOT = Path(tgbulk.__path__[0])
#: Of chat.json, the journal's rows, statements, summary.json and what lies in quarantine; then of the documents without a
#: class of their own.
DOCUMENTS = (ChatAbout, ChatRow, Statement, RunSummary, Undecoded)
OTHERS = {"crc32", "answers_crc32", "tool", "names"}
#: Modules whose own documents have a field of the same name.
OWN = {
    ("stages/render/state.py", "names"),  # render.json
    ("stages/render/desktop/account.py", "account"),  # sentences of Telegram Desktop, by section
    ("stages/render/markdown/vault.py", "first"),  # results of parts
    ("stages/render/markdown/vault.py", "last"),
    ("cli/setting.py", "account"),  # config.toml
}


@cache
def own_fields() -> frozenset[str]:
    """Names that are not also fields of Telegram's objects, which lines of messages and of peers are."""
    telegram: set[str] = set()
    for cls in alltlobjects.tlobjects.values():
        telegram |= inspect.signature(cls.__init__).parameters.keys()
    return frozenset({one.name for cls in DOCUMENTS for one in fields(cls)} | OTHERS) - telegram


def others() -> Iterator[Path]:
    """The modules of the product outside of stages/archive."""
    for folder, folders, files in os.walk(ROOT, followlinks=True):
        left_out = {"archive", "simdc", "bench", "pictures", "__pycache__", "docs"}
        folders[:] = [name for name in folders if name not in left_out]
        yield from (Path(folder, file) for file in files if file.endswith(".py"))


def keys(tree: ast.AST) -> Iterator[str]:
    """Names by which something is taken from a mapping: value["name"], value.get("name")."""
    for node in ast.walk(tree):
        name: ast.AST | None = None
        if isinstance(node, ast.Subscript):
            name = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            name = node.args[0] if node.func.attr in ("get", "pop", "setdefault") else None
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield name.value


def test_only_the_archive_takes_fields_from_its_documents() -> None:
    assert {"covered", "quarantined", "named", "journal_bytes", "peer_crc", "asked", "statement"} <= own_fields()
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in others() for name in keys(ast.parse(path.read_bytes())) if name in own_fields()
    }
    assert found - OWN == set()


@pytest.mark.parametrize("text", ['about["covered"]', 'about.get("named")', 'last.pop("journal_bytes", 0)'])
def test_a_field_is_found_however_it_is_taken(text: str) -> None:
    assert own_fields().intersection(keys(ast.parse(text)))


def test_other_rooms_that_are_looked_at() -> None:
    seen = {str(path.relative_to(ROOT)) for path in others()}
    assert {"stages/verify/chat.py", "stages/write/writer.py", "cli/status.py", "perf/proof.py"} <= seen
    assert not any(path.startswith("stages/archive/") for path in seen)
