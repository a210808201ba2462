from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.browser import BINARY, Browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real one; where there is none, the tests say so."""
    if BINARY is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    home: Path = tmp_path_factory.mktemp("chromium")
    browser = Browser(home)
    yield browser
    browser.close()
    shutil.rmtree(home, ignore_errors=True)
