"""Real proxies as processes, which connect from an address of their own: pproxy for SOCKS and HTTP, and our MTProxy."""
from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tgbulk.perf.simdc.launcher import SimDC

#: What the proxies connect from; the simulated data centre can be told to let nobody else in.
SOURCE = "127.0.0.2"
#: Seconds for a start.
PATIENCE = 60.0
USER, PASSWORD, SECRET = "someone", "s3cret:word", "0123456789abcdef0123456789abcdef"
KINDS = ("socks5", "socks4", "http", "mtproxy")


class RunningProxy:
    """A proxy of one of KINDS to this data centre, as a context manager; `url` leads to it."""

    def __init__(self, kind: str, dc: SimDC) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.kind = kind
        if kind == "mtproxy":
            places = {2: dc.settings["port"], 4: dc.settings["simdc"]["media_port"]}
            command = [str(Path(__file__).with_name("mtproxy.py")), str(self.port), SECRET, SOURCE]
            self._command = [*command, *(f"{number}={port}" for number, port in places.items())]
            self.url = f"mtproxy://{SECRET}@127.0.0.1:{self.port}"
        else:
            login = "" if kind == "socks4" else f"#{USER}:{PASSWORD}"
            self._command = ["-m", "pproxy", "-l", f"{kind}://127.0.0.1:{self.port}/{login}", "-r", f"direct:///@{SOURCE}"]
            mine = "" if kind == "socks4" else f"{USER}:{PASSWORD.replace(':', '%3A')}@"
            self.url = f"{kind}://{mine}127.0.0.1:{self.port}"

    def __enter__(self) -> RunningProxy:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._process = subprocess.Popen(
            [sys.executable, *self._command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the {self.kind} proxy did not start")

    def stop(self) -> None:
        """As when it dies: every connection through it is cut."""
        self._process.kill()
        self._process.wait()
