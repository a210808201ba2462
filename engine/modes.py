"""Files that others can read or write, also on file systems that keep no modes (vfat, SMB)."""
from __future__ import annotations

import os
import tempfile
from pathlib import Path


def how_to_close(path: Path, mode: int) -> str:
    """What makes a file or folder that is there have this mode."""
    if keep_modes(path if path.is_dir() else path.parent):
        return f"chmod {mode:o} {path}"
    return f"move {path} to a file system that keeps modes, or mount this one with umask=077"


def keep_modes(folder: Path) -> bool:
    """Whether files in it have the modes that they are given; True where that cannot be tried."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return not os.fstat(file.fileno()).st_mode & 0o077
    except OSError:
        return True
