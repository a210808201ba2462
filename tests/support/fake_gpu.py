"""A GPU that is a C library of ours (fakeva/driver.c): real ffmpeg and vainfo, real libva, no hardware."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "fakeva"
_COMPILE = ("gcc", "-O2", "-shared", "-fPIC", "-I/usr/include/libdrm")
#: profile, entry point: ConstrainedBaseline 13, Main 6, High 7; VLD 1, EncSlice 6, EncSliceLP 8
LOW_POWER = "6 1\n6 8\n7 1\n7 8\n13 1\n13 8\n"
DECODE_ONLY = "6 1\n7 1\n13 1\n"


def build(folder: Path) -> None:
    """CalledProcessError where a header is missing."""
    for name, sources in (("fake_drv_video.so", ("driver.c", "pcm.c")), ("drm.so", ("drm.c",))):
        files = [str(SOURCES / source) for source in sources]
        subprocess.run([*_COMPILE, "-o", str(folder / name), *files], check=True, capture_output=True)


class FakeGpu:
    def __init__(self, driver: Path, dri: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.dri = dri
        dri.mkdir()
        self.node = self.add("renderD128")
        self.set(LIBVA_DRIVERS_PATH=str(driver), LIBVA_DRIVER_NAME="fake", LD_PRELOAD=str(driver / "drm.so"))

    def add(self, name: str) -> Path:
        node = self.dri / name
        node.touch()
        return node

    def set(self, **variables: str) -> None:
        """FAKEVA_...: see fakeva/driver.c."""
        for name, value in variables.items():
            self._patch.setenv(name, value)

    def table(self, vendor: str, pairs: str) -> None:
        path = self.dri.parent / "table"
        path.write_text(f"{vendor}\n{pairs}")
        self.set(FAKEVA_TABLE=str(path))
