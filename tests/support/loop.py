"""A file system in an image file, mounted in a mount namespace of its own."""
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.tmpfs import SmallDisk


class Ext2(SmallDisk):
    """An ext2, which has no fallocate, of so many megabytes; skips where none can be mounted. A context manager."""

    unshare = ("unshare", "-m")  # only root may mount an image
    spaces = ("--mount",)

    def __init__(self, folder: Path, megabytes: int) -> None:
        super().__init__(folder, "")
        if os.geteuid() or not shutil.which("mkfs.ext2"):
            pytest.skip("no ext2 can be mounted without root and mkfs.ext2")
        image = folder.parent / f"{folder.name}.ext2"
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext2", "-q", "-F", image], check=True)
        self.mount = f"mount -t ext2 -o loop {image} {folder}"
