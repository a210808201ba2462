"""One name, one thing: no two classes are called the same, and what is cited as docs/spec/... is there."""
from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import tgbulk

ROOT = Path(tgbulk.__path__[0])
ROOMS = ("engine", "stages", "cli")
CHECKOUT = Path(__file__).parents[1]
#: The page, and behind it the sections, as in `docs/spec/media-download.md 1, 2 and 6`.
CITATION = re.compile(r"(docs/|(?<![\w/\"]))spec/([\w-]+)\.md((?:(?:,| and| to)?\s+\d+(?:\.\d+)?(?!\d))*)")


def classes() -> dict[str, list[str]]:
    """Name of a class, wherever it stands -> the files that define one."""
    found: dict[str, list[str]] = defaultdict(list)
    for room in ROOMS:
        for path in sorted((ROOT / room).resolve().rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(f"{room}/{path.relative_to((ROOT / room).resolve())}")
    return found


def test_no_two_classes_have_one_name() -> None:
    found = classes()
    assert len(found) > 300
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def citations() -> Iterator[tuple[str, str, str, list[str]]]:
    """(file, "docs/" or nothing, page, sections) of every citation in the code."""
    for room in ("engine", "stages", "perf", "scripts", "tests"):
        for path in sorted((CHECKOUT / room).rglob("*.py")):
            for prefix, page, sections in CITATION.findall(path.read_text()):
                yield str(path.relative_to(CHECKOUT)), prefix, page, re.findall(r"\d+(?:\.\d+)?", sections)


def test_what_is_cited_is_there() -> None:
    missing = []
    for file, prefix, page, sections in citations():
        path = CHECKOUT / "docs" / "spec" / f"{page}.md"
        headings = re.findall(r"^#+ (\d+(?:\.\d+)?)", path.read_text(), re.MULTILINE) if path.exists() else []
        if not prefix or not path.exists() or not set(sections) <= set(headings):
            missing.append(f"{file}: {page} {sections}")
    assert missing == []


def test_the_pages_are_cited_and_listed() -> None:
    pages = {path.stem for path in (CHECKOUT / "docs" / "spec").glob("*.md")} - {"README"}
    listed = set(re.findall(r"\]\(([\w-]+)\.md\)", (CHECKOUT / "docs" / "spec" / "README.md").read_text()))
    assert pages == listed == {page for *_, page, _ in citations()}
