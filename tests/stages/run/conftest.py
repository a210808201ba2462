"""A run of two workers, whose processes the test plays."""
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.open_files import open_files
from support.rehearsal import Rehearsal
from tgbulk.engine.lock import Lock
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.collect.config import CollectConfig
from tgbulk.stages.fetch.config import FetchConfig
from tgbulk.stages.run.attempt import (
    Setup,
)
from tgbulk.stages.write.config import WriteConfig


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    """Of two workers; nothing is left open behind the run."""
    with ExitStack() as stack:
        archive, main, second = (
            stack.enter_context(Lock(tmp_path / name, f"{name} of the test")) for name in ("archive", "main", "second")
        )
        collect = CollectConfig("run", Archive(tmp_path).run("run"), 0.0, 0.0, os.getpid())
        before = shared()
        yield Setup(FetchConfig([], [], 1), WriteConfig(tmp_path), collect, [main, second], archive, 2, patience=7.0)
        assert shared() == before


def shared() -> list[str]:
    """What this process has open of what processes share."""
    return sorted(path for path in open_files().values() if path.startswith(("socket:", "/memfd:")))


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch, setup: Setup) -> Rehearsal:
    return Rehearsal(monkeypatch, setup)
