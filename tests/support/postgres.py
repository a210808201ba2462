"""A PostgreSQL server of a test's own, from Debian's package: a process of an ordinary user, in a temporary folder."""
from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

#: Seconds that it may take to start on a busy machine.
PATIENCE = 90.0
#: It refuses to run as root.
USER = "postgres"


def programs() -> Path | None:
    """The folder with initdb and postgres, None where they are not installed."""
    found = sorted(glob("/usr/lib/postgresql/*/bin/initdb")) or list(filter(None, [shutil.which("initdb")]))
    return Path(found[-1]).parent if found else None


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server with an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = Postgres(folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


class Postgres:
    """Can be stopped for a while."""

    def __init__(self, folder: Path) -> None:
        found = programs()
        assert found is not None
        self._programs = found
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"postgresql://{USER}@127.0.0.1:{self.port}/{USER}"
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        self._folder.chmod(0o755)
        data = self._folder / "data"
        data.mkdir(0o700)
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            for one in (self._folder, data):
                os.chown(one, user.pw_uid, user.pw_gid)
        words = ["initdb", "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
        subprocess.run(self._as_user(words), check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        words = ["postgres", "-D", str(self._folder / "data"), "-p", str(self.port), "-k", str(self._folder)]
        for option in ("listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=16MB", "max_connections=60"):
            words += ["-c", option]
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(self._as_user(words), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")
        until = time.monotonic() + PATIENCE
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError((self._folder / "log").read_text())
            time.sleep(0.1)

    def forget(self) -> None:
        """Drop the database, and make an empty one of the same name."""
        for command in ("dropdb", "createdb"):
            force = ["--force"] if command == "dropdb" else []
            where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "--maintenance-db=template1"]
            words = [command, *force, *where, USER]
            subprocess.run(self._as_user(words), check=True, capture_output=True, cwd="/")

    def stop(self) -> None:
        """At once."""
        if self._process is not None:
            self._process.send_signal(3)
            try:
                self._process.wait(PATIENCE)
            finally:
                self._process.kill()
                self._process = None

    def _as_user(self, words: list[str]) -> list[str]:
        command = [str(self._programs / words[0]), *words[1:]]
        if os.geteuid() != 0:
            return command
        return ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", *command]
