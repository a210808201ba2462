"""A single file of tests runs by itself: from any folder, without workers, backwards, in the background of a shell."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
#: A test that asks support/ for something, one with a conftest.py of its folder, one that starts processes.
FILES = ["stages/verify/test_verify_unfinished.py", "stages/transcode/test_vainfo.py", "engine/test_supervisor.py"]


def alone(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """pytest with these words in this folder, started by something that ignores signals."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}
    ignored = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    try:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
            cwd=folder, env=kept, capture_output=True, text=True, check=False,
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("words", [["-n", "0"], ["-n", "0", "--reverse"]], ids=["forwards", "backwards"])
def test_a_single_file_passes_from_elsewhere(tmp_path: Path, file: str, words: list[str]) -> None:
    # what lies there is not ours
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = another\n")
    for name in ("engine", "stages", "scripts", "support"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise AssertionError(__file__)\n")
    done = alone(tmp_path, *words, str(TESTS / file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_signals_are_those_of_a_terminal() -> None:
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
