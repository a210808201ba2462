from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_gpu import FakeGpu, build
from film import Films

from stages.transcode.config import TranscodeConfig
from stages.transcode.tool import Tools, find_tools


@pytest.fixture(scope="session")
def tools() -> Tools:
    """The real programs of this machine."""
    found = find_tools(TranscodeConfig())
    if not found.ffmpeg:
        pytest.skip("needs ffmpeg: " + found.problem)
    return found


@pytest.fixture(scope="session")
def films(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tools.ffmpeg, tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the fake VA-API driver, built once."""
    if not shutil.which("gcc"):
        pytest.skip("the fake VA-API driver needs gcc")
    if not shutil.which("ffmpeg"):
        pytest.skip("the fake VA-API driver needs the system's ffmpeg, which uses the system's libva")
    folder = tmp_path_factory.mktemp("driver")
    try:
        build(folder)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the fake VA-API driver needs libva-dev and libdrm-dev: {error.stderr.decode()[:200]}")
    return folder


@pytest.fixture
def gpu(driver: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """A render node, which is a plain file, and the environment in which ffmpeg takes it for one."""
    return FakeGpu(driver, tmp_path / "dri", monkeypatch)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No child, dead or alive, outlives a test."""
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
