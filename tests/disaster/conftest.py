from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import forget_paces
from support.rig import CHATS, SERVER, Rig, content
from tgbulk.perf.simdc.launcher import SimDC


@pytest.fixture(scope="session")
def dc() -> Iterator[SimDC]:
    with SimDC(*SERVER) as running:
        yield running


@pytest.fixture(scope="session")
def shared(dc: SimDC, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """One home for all tests that leave its login as it is."""
    return Rig.make(dc, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def reference(shared: Rig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The content of an undisturbed archive of CHATS."""
    archive = tmp_path_factory.mktemp("reference") / "archive"
    done = shared.export(archive)
    assert done.returncode == 0, done.stderr
    found = content(archive)
    assert len([name for name in found if name.endswith(" messages")]) == len(CHATS)
    return found


@pytest.fixture
def rig(shared: Rig) -> Iterator[Rig]:
    """The shared home; nothing may be left behind, and nothing that one test's floods taught slows the next."""
    forget_paces(shared.home)
    yield shared
    assert shared.left() == []


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"
