from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import forget_paces
from support.rig import ACCOUNTS, BULK, CHATS, Rig, content
from tgbulk.perf.simdc.launcher import SimDC


@pytest.fixture(scope="session")
def readers(request: pytest.FixtureRequest) -> int:
    """How many accounts share the chats of an export."""
    number: int = request.config.getoption("--readers")
    return number


@pytest.fixture(scope="session")
def dc(readers: int) -> Iterator[SimDC]:
    with SimDC("--accounts", f"{max(readers, ACCOUNTS)}", *BULK) as running:
        yield running


@pytest.fixture(scope="session")
def shared(dc: SimDC, readers: int, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """One home for all tests that leave its logins as they are."""
    return Rig.make(dc, tmp_path_factory.mktemp("home"), accounts=readers, sharing=readers > 1)


@pytest.fixture(scope="session")
def reference(shared: Rig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The content of an undisturbed archive of CHATS."""
    archive = tmp_path_factory.mktemp("reference") / "archive"
    done = shared.export(archive)
    assert done.returncode == 0, done.stderr
    found = content(archive, bool(shared.readers))
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
