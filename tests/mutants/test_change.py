"""Changes that Cosmic Ray can make: of exceptions only those that have a name of their own."""
from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray")

from mutants.change import changes

CODE = """
try:
    work()
except KeyError:
    pass
except (OSError, ValueError):
    pass
except errors.RPCError:
    pass
except (errors.AuthKeyError, EOFError):
    pass
except (*LOST, TypeError):
    pass
"""


def test_every_exception_that_is_chosen_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(CODE)
    found = [one for at in changes(tmp_path, "one.py").values() for one in at if one.operator == "ExceptionReplacer"]
    assert [one.lines(CODE)[0] for one in found] == ["except KeyError:"] + 2 * ["except (OSError, ValueError):"]
