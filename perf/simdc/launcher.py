"""Starts the simulated data centre as a process of its own, and leaves nothing behind."""
from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from types import TracebackType
from typing import Any

#: Seconds to wait for a start and for an orderly end.
START_TIMEOUT = 300.0
STOP_TIMEOUT = 10.0
CONTROL_TIMEOUT = 600.0

ROOT = Path(__file__).resolve().parents[2]


class SimDCError(Exception):
    """The simulated data centre did not start, or refused a control request."""


class SimDC:
    """A running `python -m tgbulk.perf.simdc` with these arguments, as a context manager.

    `server_file` is for --server, `settings` is the same parsed. The standard error goes to `log` beside it.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._folder = Path(tempfile.mkdtemp(prefix="simdc-"))
        self.server_file = self._folder / "server.toml"
        self.log = self._folder / "stderr"
        self.settings: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SimDC:
        try:
            self.start()
        except BaseException:
            self.kill()  # Ctrl-C may come before it listens
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise SimDCError("not running")
        return self._process.pid

    @property
    def accounts(self) -> list[dict[str, str]]:
        """phone, code and perhaps password of everybody who can log in."""
        return list(self.settings["simdc"]["account"])

    def start(self) -> None:
        """Start it, on the ports that it had if it ran before; back once it listens. Raises SimDCError."""
        simdc = self.settings.get("simdc", {})
        ports = [
            f"--port={self.settings.get('port', 0)}",
            f"--media-port={simdc.get('media_port', 0)}",
            f"--control-port={simdc.get('control_port', 0)}",
        ]
        self.server_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tgbulk.perf.simdc", "--server-file", str(self.server_file), "--until-eof"]
        command += ["--heirloom", str(self._folder)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *ports, *self._arguments], cwd=ROOT, stdin=subprocess.PIPE, stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal is for whoever started it
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self.server_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise SimDCError(f"did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.01)
        self.settings = tomllib.loads(self.server_file.read_text())

    def stop(self) -> None:
        """End it in order, by force if that takes too long."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it may have been killed
            self._process.stdin.write(b".")
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def restart(self) -> None:
        """End it in order and start it again on the same ports; give --state to keep sessions."""
        self.stop()
        self.start()

    def control(self, do: str, **request: Any) -> Any:
        """The result of one control request. Raises SimDCError for a refused one."""
        port = self.settings["simdc"]["control_port"]
        with socket.create_connection(("127.0.0.1", port), CONTROL_TIMEOUT) as connection:
            with connection.makefile("rwb") as stream:
                stream.write(json.dumps({"do": do, **request}).encode() + b"\n")
                stream.flush()
                answer = json.loads(stream.readline())
        if not answer["ok"]:
            raise SimDCError(answer["error"])
        return answer["result"]

    def counters(self) -> dict[str, Any]:
        """What was asked and answered, as perf.simdc.counter tells it."""
        result: dict[str, Any] = self.control("counters")
        return result
