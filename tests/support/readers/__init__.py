"""Programs of others that read what tgbulk writes, in an environment of their own: `make readers-test`."""
from __future__ import annotations

from pathlib import Path

import pytest

#: Where make installs them.
READERS = Path(__file__).parents[3] / ".venv-readers"
RESULT_PY = Path(__file__).with_name("result_json.py")
PAGES_PY = Path(__file__).with_name("pages.py")
RESULT_JS = Path(__file__).with_name("result_json.js")

#: Told before anything is exported or rendered for them.
needed = pytest.mark.skipif(
    not (READERS / "bin" / "python").exists(), reason=f"no {READERS.name}: `make readers` installs what reads"
)
