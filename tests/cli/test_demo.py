"""`tgbulk demo`, as the README's first command has it: it proves itself and leaves nothing."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.command import COMMAND
from support.exporter import ended, members

SECONDS = 120


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    """The demo in a session and a temporary folder of its own; nothing of it may be left but the archive and its pages."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(temporary), "LC_ALL": "C.UTF-8"}
    misleading = {"TGBULK_SERVER": "/nowhere", "TGBULK_ACCOUNT": "nobody", "TELEGRAM_API_ID": "x"}
    process = subprocess.Popen(
        [COMMAND, "demo", *words], env=environment | misleading, cwd=folder, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )
    with ended(process):
        out, said = process.communicate(timeout=SECONDS)
        assert members(process.pid) == []
    assert os.listdir(temporary) == []
    return process.returncode, out, said


def test_demo(tmp_path: Path) -> None:
    code, out, said = run(tmp_path)
    assert code == 0, said
    assert "are equal to what the data centre holds, field by field" in out
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"tmp", "demo-archive", "demo-archive-html"}
    assert "Open demo-archive-html/index.html" in out
    assert (tmp_path / "demo-archive-html" / "index.html").is_file()
    assert len(list((tmp_path / "demo-archive" / "chats").iterdir())) > 100
    # Again over what is there: still equal.
    assert run(tmp_path)[0] == 0


def test_demo_into_a_folder_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    code, out, said = run(tmp_path, "-o", "photos")
    assert code == 1
    assert "tgbulk: error: the demo failed: tgbulk export ended with exit code 8" in said
    assert "equal" not in out
