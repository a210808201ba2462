"""A strict S3 server for tests: Ceph's radosgw, with a monitor and a store in memory, on this machine alone.

From Debian's packages, which are downloaded and unpacked, not installed; all of it is gone afterwards. It checks who asks,
and keeps `If-None-Match: *` (docs/spec/fleet.md 3). No package of PyPI brings such a server.
"""
from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

from support.s3 import CREDENTIALS

#: Debian's packages; of what they need only libraries, and not Python's parts.
_PACKAGES = ("radosgw", "ceph-mon", "ceph-osd")
_NEEDED = re.compile(r"Inst ((?:lib|ceph|radosgw)\S*) ")
#: Seconds for the packages to come, for one step of the start, and for a server to leave.
DOWNLOAD, PATIENCE, LEAVING = 600.0, 120.0, 10.0
BUCKET = "archives"


class NoCephError(Exception):
    """Why it cannot be had here."""


@contextmanager
def ceph_server() -> Iterator[str]:
    """The endpoint of a server with a bucket `archives`, whose owner has CREDENTIALS. NoCephError, AssertionError."""
    folder = Path(tempfile.mkdtemp(prefix="ceph-"))
    server = _Ceph(folder)
    try:
        server.unpack()
        server.start()
        yield server.endpoint
    finally:
        server.stop()
        shutil.rmtree(folder)


class _Ceph:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = folder / "root"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.endpoint = f"http://127.0.0.1:{_free_port()}"

    def unpack(self) -> None:
        """NoCephError."""
        packages = self._folder / "packages"
        packages.mkdir()
        try:
            simulated = ["apt-get", "--simulate", "install", "--no-install-recommends", *_PACKAGES]
            words = _NEEDED.findall(subprocess.run(simulated, check=True, capture_output=True, text=True).stdout)
            # as root apt would download as a user who cannot write here
            fetch = ["apt-get", "-o", "APT::Sandbox::User=root", "download", *words]
            subprocess.run(fetch, check=True, capture_output=True, timeout=DOWNLOAD, cwd=packages)
            for one in packages.glob("*.deb"):
                subprocess.run(["dpkg-deb", "--extract", one, self._root], check=True, capture_output=True)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or b""
            raise NoCephError(f"{error} {said if isinstance(said, str) else said.decode()}".strip()) from error
        shutil.rmtree(packages)
        if not (self._root / "usr/bin/radosgw").exists():
            raise NoCephError("apt-get names no package to unpack: is Ceph installed here?")

    def start(self) -> None:
        """AssertionError where a step does not come to its end."""
        self._configure()
        maps = [self._folder / "monmap", self._folder / "osdmap"]
        self._run("monmaptool", "--create", "--clobber", "--fsid", self._fsid, "--addv", "a", self._monitor, str(maps[0]))
        self._run("osdmaptool", "--createsimple", "1", "--clobber", str(maps[1]))
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(maps[0]), "--osdmap", str(maps[1]))
        self._start("ceph-mon", "-i", "a")
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", str(uuid4()))
        self._start("ceph-osd", "-i", "0")
        keys = ["--access-key", CREDENTIALS["AWS_ACCESS_KEY_ID"], "--secret", CREDENTIALS["AWS_SECRET_ACCESS_KEY"]]
        self._run("radosgw-admin", "user", "create", "--uid", "tests", "--display-name", "tests", *keys)
        self._start("radosgw", "-n", "client.rgw")
        self._wait()
        self._make_bucket()

    def stop(self) -> None:
        """The gateway first, and nobody for longer than LEAVING."""
        for process in reversed(self._processes.values()):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(LEAVING)
            process.kill()
            process.wait()

    def _configure(self) -> None:
        libraries, self._fsid = next(self._root.glob("usr/lib/*/ceph")).parent, str(uuid4())
        self._monitor = f"[v2:127.0.0.1:{_free_port()}]"
        self._environment = {
            "PATH": f"{self._root}/usr/bin:{os.environ['PATH']}", "HOME": str(self._folder), "TMPDIR": str(self._folder),
            "LD_LIBRARY_PATH": f"{libraries}:{libraries}/ceph:{self._root}/lib/{libraries.name}",
            "CEPH_CONF": str(self._folder / "ceph.conf"),
        }
        for name in ("mon", "osd", "rgw", "run"):
            (self._folder / name).mkdir()
        settings = {
            "fsid": self._fsid, "mon host": self._monitor, "public addr": "127.0.0.1", "cluster addr": "127.0.0.1",
            "auth cluster required": "none", "auth service required": "none", "auth client required": "none",
            "keyring": "/dev/null", "run dir": self._folder / "run", "admin socket": "", "log file": "",
            "mon cluster log file": "", "err to stderr": "true", "log to stderr": "true", "crash dir": self._folder / "run",
            "mon data": self._folder / "mon", "osd data": self._folder / "osd", "rgw data": self._folder / "rgw",
            "plugin dir": f"{libraries}/ceph", "erasure code dir": f"{libraries}/ceph/erasure-code",
            "osd class dir": f"{libraries}/rados-classes",
            # radosgw's own default is to encrypt, which goes with keys alone
            "ms mon client mode": "crc",
            # one store in memory, without copies
            "osd objectstore": "memstore", "osd crush chooseleaf type": 0, "osd crush update on start": "false",
            "osd pool default size": 1, "osd pool default min size": 1, "mon allow pool size one": "true",
            "osd pool default pg num": 2, "osd pool default pg autoscale mode": "off", "mon max pg per osd": 1000,
            "mon data avail crit": 1, "mon data avail warn": 1,
            "rgw frontends": f"beast endpoint={self.endpoint.removeprefix('http://')}", "rgw thread pool size": 32,
        }
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self._folder / "ceph.conf").write_text(f"[global]\n{lines}")

    def _run(self, program: str, *words: str) -> None:
        """To its end. AssertionError."""
        try:
            subprocess.run([str(self._root / "usr/bin" / program), *words], check=True, timeout=PATIENCE,
                           env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, cwd=self._folder)
        except subprocess.SubprocessError as error:
            said = (error.stderr or b"").decode()[-2000:]  # type: ignore[attr-defined]
            raise AssertionError(f"{program}: {error}\n{said}\n{self._logs()}") from error

    def _start(self, program: str, *words: str) -> None:
        """A process that stays."""
        with open(self._folder / f"{program}.log", "wb") as log:
            self._processes[program] = subprocess.Popen(
                [str(self._root / "usr/bin" / program), "-f", *words], env=self._environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, cwd=self._folder,
            )

    def _wait(self) -> None:
        """Until the gateway answers. AssertionError."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                urlopen(self.endpoint, timeout=10).close()
                return
            except HTTPError:
                return  # it refuses who has no name
            except OSError:
                dead = [name for name, one in self._processes.items() if one.poll() is not None]
                if dead or time.monotonic() > until:
                    raise AssertionError(f"radosgw does not answer; {dead} ended\n{self._logs()}") from None
                time.sleep(0.2)

    def _make_bucket(self) -> None:
        import boto3  # comes with moto

        names = {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
                 "region_name": "AWS_REGION"}
        values = {name: CREDENTIALS[variable] for name, variable in names.items()}
        boto3.client("s3", endpoint_url=self.endpoint, **values).create_bucket(Bucket=BUCKET)

    def _logs(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in self._folder.glob("*.log"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
