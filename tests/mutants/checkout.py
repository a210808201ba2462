"""A copy of the checkout that may be spoilt, with an environment of its own that has everything of the first."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
COMMAND = "#!{python}\nimport sys\nfrom tgbulk.cli.main import main\nsys.exit(main())\n"


class Checkout:
    """The files that git knows or would take, in `folder`; the command and its interpreter in .venv, as the tests expect."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self._temporary = folder / "tmp"
        words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
        for name in map(os.fsdecode, filter(None, listed.stdout.split(b"\0"))):
            if os.path.lexists(ROOT / name):
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name, follow_symlinks=False)
        self._python = self._environment(self.root / ".venv")

    def _environment(self, venv: Path) -> Path:
        """What is imported comes from the copy first, the rest from where we have it."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
        (packages / "checkout.pth").write_text(f"{self.root / 'scripts'}\n{sysconfig.get_path('purelib')}\n")
        command = venv / "bin/tgbulk"
        command.write_text(COMMAND.format(python=venv / "bin/python"))
        command.chmod(0o755)
        return venv / "bin/python"

    def write(self, file: str, code: str, seconds: int) -> None:
        """Change a file; with a time of its own, so that no compiled one is taken for it."""
        path = self.root / file
        path.write_text(code, "utf-8")
        stamp = path.stat().st_mtime + seconds
        os.utime(path, (stamp, stamp))

    def passes(self, tests: list[str], timeout: float) -> tuple[bool | None, str]:
        """Whether these tests pass, None where they do not end within so many seconds, and what they print. Nothing that
        they started is left."""
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        log = self._temporary / "log"
        words = [str(self._python), "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--tb=line", *tests]
        environment = os.environ | {"TMPDIR": str(self._temporary)}
        with log.open("wb") as output:
            run = subprocess.Popen(
                words, cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )
            passed: bool | None = None
            try:
                passed = run.wait(timeout) == 0
            except subprocess.TimeoutExpired:
                pass
            finally:
                _kill_children()
        return passed, log.read_text("utf-8", "replace")


def _kill_children() -> None:
    """Everything that the tests started; orphans come to us, who are their subreaper."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(children, timeout=10)
