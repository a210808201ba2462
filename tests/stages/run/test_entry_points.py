"""Processes are started by name; each name leads to a function that takes the context it is started with."""
from __future__ import annotations

import importlib
import subprocess
import sys
import typing

import pytest

from tgbulk.engine.channel import Channel
from tgbulk.engine.entry import EntryPoint
from tgbulk.stages.run.attempt import EntryPoints

HINTS = typing.get_type_hints(EntryPoints)


@pytest.mark.parametrize("name", HINTS)
def test_a_process_takes_the_context_it_is_started_with(name: str) -> None:
    entry: EntryPoint[object] = getattr(EntryPoints, name)
    module, _, function = entry.name.partition(":")
    hints = typing.get_type_hints(getattr(importlib.import_module(module), function))
    (context,) = typing.get_args(HINTS[name])
    assert list(hints.values()) == [Channel, context, type(None)]


def test_who_starts_them_imports_no_telethon() -> None:
    code = "import sys, tgbulk.stages.run.run; sys.exit('telethon' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
