"""The lists of `make mutants` speak of what is there."""
from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GUARDS: dict[str, list[str]] = tomllib.loads((HERE / "guards.toml").read_text())["guards"]
EQUIVALENT: list[dict[str, str]] = tomllib.loads((HERE / "equivalent.toml").read_text()).get("change", [])


@pytest.mark.parametrize("module", GUARDS)
def test_a_guarded_module_and_its_tests_are_there(module: str) -> None:
    assert (ROOT / module).is_file()
    assert GUARDS[module]
    assert [test for test in GUARDS[module] if not (ROOT / test).exists()] == []


@pytest.mark.parametrize("row", EQUIVALENT, ids=lambda row: f"{row['file']}: {row['now']}"[:80])
def test_an_equivalent_change_is_of_code_that_is_there_and_has_its_reason(row: dict[str, str]) -> None:
    assert row.keys() == {"file", "was", "now", "reason"}
    assert row["file"] in GUARDS
    lines = [line.strip() for line in (ROOT / row["file"]).read_text().splitlines()]
    assert row["was"] in " ".join(lines)
    assert row["reason"]
