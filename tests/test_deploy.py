"""What leaves the checkout: the Dockerfile's steps, units of systemd, man pages, completion."""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{BIN}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_the_dockerfile_is_linted() -> None:
    done = subprocess.run([tool("hadolint"), "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_health_check_of_the_dockerfile(tmp_path: Path) -> None:
    """No base image can be had in a test; its command is run as the container would. The package's own tests install it."""
    found = re.search(r"HEALTHCHECK .* CMD (\[.*\])", (ROOT / "Dockerfile").read_text())
    assert found is not None
    bare = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path), "TGBULK_HOME": str(tmp_path)}
    done = subprocess.run(json.loads(found[1]), env=bare, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1  # without API id and session nothing can run
    assert "Traceback" not in done.stderr


def test_units_of_systemd(tmp_path: Path) -> None:
    verify = tool("systemd-analyze")
    for path in (ROOT / "deploy").glob("tgbulk-*"):
        text = re.sub(r"/usr/local/bin/tgbulk(?= )", str(BIN / "tgbulk"), path.read_text())
        (tmp_path / path.name).write_text(text.replace("User=tgbulk\n", ""))  # who need not exist here
    units = sorted(str(path) for path in tmp_path.iterdir() if "@" not in path.name)
    done = subprocess.run([verify, "verify", *units], capture_output=True, text=True, check=False)
    if "Failed to initialize manager" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    complaints = [line for line in done.stderr.splitlines() if "tgbulk-" in line and "tgbulk-alert" not in line]
    assert complaints == []


def test_man_pages(tmp_path: Path) -> None:
    pytest.importorskip("click_man")
    subprocess.run([sys.executable, "-m", "tgbulk.cli.man", str(tmp_path)], check=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"tgbulk.1", "tgbulk-export.1", "tgbulk-render-jsonl.1", "tgbulk-job-run.1"} <= names
    assert "dry" in (tmp_path / "tgbulk-export.1").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, tmp_path: Path) -> None:
    done = subprocess.run([BIN / "tgbulk", "completion", shell], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_TGBULK_COMPLETE" in done.stdout
    if shutil.which(shell):
        (tmp_path / "script").write_text(done.stdout)
        assert subprocess.run([shell, "-n", tmp_path / "script"], check=False).returncode == 0
