"""An S3 server for tests: moto's, a process of its own over real HTTP. It keeps conditions, multipart and lists; it does not
check who asks (docs/spec/fleet.md 3), and nothing stricter can be had by pip; ceph.py is stricter."""
from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

#: Seconds that it may take to start on a busy machine.
PATIENCE = 90.0
#: What it takes to talk to any of the tests' servers.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": "us-east-1"}


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """The endpoint of a server with a bucket `archives`; its log goes into the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = str(Path(sys.executable).parent / "moto_server")
    with open(folder / "moto.log", "wb") as log:
        process = subprocess.Popen(
            [command, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)},
        )
        try:
            endpoint = f"http://127.0.0.1:{port}"
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    urlopen(Request(f"{endpoint}/archives", method="PUT"), timeout=10).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise AssertionError((folder / "moto.log").read_text()) from None
                    time.sleep(0.1)
            yield endpoint
        finally:
            process.kill()
            process.wait()


@contextmanager
def reached(endpoint: str) -> Iterator[dict[str, str]]:
    """This process talks to that server, and so does whoever gets these variables."""
    values = CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
    os.environ |= values
    try:
        yield values
    finally:
        for name in values:
            del os.environ[name]
