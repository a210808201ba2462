from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.fake_gpu import FakeGpu, build
from support.video import Videos
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.ffmpeg import Tools, find_tools


@pytest.fixture(scope="session")
def tools() -> Tools:
    """The real programs of this machine."""
    found = find_tools(TranscodeConfig())
    if not found.ffmpeg:
        pytest.skip("needs ffmpeg: " + found.problem)
    return found


@pytest.fixture(scope="session")
def videos(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Videos:
    return Videos(tools.ffmpeg, tmp_path_factory.mktemp("videos"))


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
    """No child that a test made, dead or alive, outlives it; servers of other tests may live in the same process."""
    this = psutil.Process()
    before = set(this.children())
    yield
    assert set(this.children()) - before == set()
