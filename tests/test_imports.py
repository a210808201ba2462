"""The house's shape: which module imports which, who names the archive's files, and what the command line loads.

Every import statement counts, also those in functions and for types alone: whoever reads a module has to know the other one.
"""
from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tgbulk

ROOT = Path(tgbulk.__path__[0])

ENGINE = {"engine"}
TELEGRAM = ENGINE | {"telegram"}
ARCHIVE = TELEGRAM | {"archive"}
PROTOCOL = ARCHIVE | {"protocol"}
#: Rooms of one process each. None imports another: what two share lies below them.
PROCESSES = ("fetch", "process", "write", "transcode", "collect")
RUN = PROTOCOL.union(PROCESSES)

#: Room -> rooms that it may import beside itself, from bottom to top.
MAY_IMPORT: dict[str, set[str]] = {
    "engine": set(),
    "telegram": ENGINE,
    "archive": TELEGRAM,
    "protocol": ARCHIVE,
    **dict.fromkeys(PROCESSES, PROTOCOL),
    "run": RUN,
    # proves offline, and asks fetch where the server is needed
    "verify": PROTOCOL | {"fetch", "run"},
    "render": ARCHIVE,
    "fleet": PROTOCOL | {"run", "verify"},
    # opens an archive, for scripts
    "api": ARCHIVE,
    "tgbulk": ARCHIVE | {"api"},
    "cli": RUN | {"run", "verify", "render", "fleet", "perf.proof", "perf.simdc", "tgbulk"},
    "tgbulk.__main__": {"cli"},
    # beside the rooms: a server and a bench must be able to contradict them
    "perf": set(),
    "perf.simdc": {"perf"},
    "perf.bench": {"perf", "perf.simdc", "perf.corpus"},
    # writes archives with the parts that a run writes with
    "perf.corpus": ARCHIVE | {"tgbulk"},
    "perf.proof": ARCHIVE,
    "perf.pictures": {"perf.simdc"},
}

#: Files and folders of an archive.
FORMAT = {
    "archive.json", "journal", "chats", "chat.json", "messages.jsonl", "changes.jsonl", "peers.jsonl", "segments",
    "annexes.json", "media", "media.sqlite", "runs", "request.json", "options.json", "summary.json", "metrics.json",
    "log.jsonl", "quarantine",
}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package; links lead to the folders of a checkout."""
    found = {}
    for folder, folders, files in os.walk(ROOT, followlinks=True):
        folders[:] = [name for name in folders if name not in ("__pycache__", "docs")]
        for file in files:
            path = Path(folder, file)
            if path.suffix == ".py":
                parts = ("tgbulk", *path.relative_to(ROOT).with_suffix("").parts)
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_bytes())


@cache
def imports(module: str) -> frozenset[str]:
    """Our modules that this one imports, wherever in its text."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in modules() else str(node.module))
    return frozenset(found & modules().keys())


def short(module: str) -> str:
    """The name as it stands in the lists above."""
    return module.removeprefix("tgbulk.").removeprefix("stages.")


def room(module: str) -> str:
    if module in ("tgbulk", "tgbulk.__main__"):
        return module
    first, *rest = short(module).split(".")
    return f"perf.{rest[0]}" if first == "perf" and rest else first


def texts(node: ast.AST) -> Iterator[str]:
    """Strings of a module's code that are a file's name, or stand after the slash of a path."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Div) and isinstance(inner.right, ast.Constant):
            yield str(inner.right.value)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield from (part for part in inner.value.split("/") if "." in part)


def test_all_modules_are_looked_at() -> None:
    assert len(modules()) > 250
    assert {"engine", "telegram", "archive", *PROCESSES, "cli", "perf.simdc"} <= {room(name) for name in modules()}


def test_no_circle_of_imports() -> None:
    try:
        order = list(TopologicalSorter({name: imports(name) for name in modules()}).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
    assert order.index("tgbulk.engine.error") < order.index("tgbulk.cli.main")


@pytest.mark.parametrize("name", sorted({room(name) for name in modules()}))
def test_imports_run_one_way(name: str) -> None:
    found = {
        (short(module), room(other))
        for module in modules() if room(module) == name
        for other in imports(module) if room(other) not in {name, "stages"} | MAY_IMPORT.get(name, set())
    }
    assert found == set()


def test_only_the_archive_names_its_files() -> None:
    """perf/ names them too: what it reads proves the product, and must not lean on it."""
    found = {
        short(module)
        for module in modules()
        if room(module) not in ("archive", "perf", "perf.simdc", "perf.bench", "perf.corpus", "perf.proof", "perf.pictures")
        and FORMAT.intersection(texts(tree(module)))
    }
    assert found == set()


def test_engine_knows_nothing_of_telegram() -> None:
    named = {
        alias.name for module in modules() if room(module) == "engine" for node in ast.walk(tree(module))
        if isinstance(node, ast.Import) for alias in node.names
    }
    assert "telethon" not in named
    assert "os" in named


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["export", "--help"], ["status", "--help"], ["accounts"]])
def test_the_command_line_loads_no_telethon(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from tgbulk.cli.main import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        "    found = [name for name in sys.modules if name.partition('.')[0] == 'telethon']\n"
        "    print('TELETHON', found, file=sys.stderr)\n"
    )
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False,
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "TELETHON []")


@pytest.mark.parametrize("module", ["tgbulk", "tgbulk.stages.run.run", "tgbulk.engine.supervisor", "tgbulk.cli.export"])
def test_the_supervisor_loads_no_telethon(module: str) -> None:
    code = f"import sys, {module}; sys.exit('telethon' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
