"""A real Chromium without a window, driven over its debugging pipe; it tells what pages ask for and complain of."""
from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

BINARY = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: Seconds for one answer, on a machine that has other things to do.
PATIENCE = 40.0
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
)
#: The pipe is descriptors 3 and 4 of the browser.
_START = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"


class Browser:
    """One page; `problems` are errors on its console, exceptions, and what its policy blocked."""

    def __init__(self, home: Path) -> None:
        assert BINARY is not None
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Descriptors above 4, so that none of them is overwritten.
        moved = [os.dup2(one, 100 + number) for number, one in enumerate((theirs_in, theirs_out))]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, moved), BINARY, *_QUIET, f"--user-data-dir={home}", "about:blank"],
            pass_fds=moved, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for one in (theirs_in, theirs_out, *moved):
            os.close(one)
        self._number = 0
        self._rest = b""
        self._session = ""
        #: URLs asked for since the last `open`
        self.requests: list[str] = []
        self.problems: list[str] = []
        #: documents whose loading has ended
        self._loaded: set[str] = set()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def open(self, address: str) -> None:
        """Load a page until everything in it is there."""
        self._go("about:blank")
        self.requests, self.problems = [], []
        self._go(address)

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """The size of the window in pixels, and which colours people like."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """A PNG of what is seen."""
        return b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def ask(self, expression: str) -> Any:
        """The value of JavaScript that runs beside the page, promises awaited."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Until it is true."""
        end = time.monotonic() + PATIENCE
        while not (value := self.ask(expression)):
            assert time.monotonic() < end, expression
            time.sleep(0.05)
        return value

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        asked: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < end, f"no answer to {method}"
            for message in self._take(1.0):
                if message.get("id") == number:
                    assert "error" not in message, message["error"]
                    return dict(message["result"])

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def _go(self, address: str) -> None:
        loader = self.call("Page.navigate", url=address)["loaderId"]
        end = time.monotonic() + PATIENCE
        while loader not in self._loaded:
            assert time.monotonic() < end, f"{address} does not load"
            self._take(1.0)
        self._settle()

    def _settle(self) -> None:
        """Until nothing has come for a moment."""
        while self._take(0.3):
            pass

    def _take(self, seconds: float) -> list[dict[str, Any]]:
        if not select.select([self._in], [], [], seconds)[0]:
            return []
        self._rest += os.read(self._in, 1 << 20)
        *whole, self._rest = self._rest.split(b"\0")
        messages = [json.loads(one) for one in whole]
        for message in messages:
            self._note(message.get("method"), message.get("params", {}))
        return messages

    def _note(self, event: str | None, about: dict[str, Any]) -> None:
        if event == "Page.lifecycleEvent" and about["name"] == "load":
            self._loaded.add(about["loaderId"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif event == "Log.entryAdded":
            self.problems.append(f"{about['entry']['level']}: {about['entry']['text']}")
        elif event == "Runtime.exceptionThrown":
            self.problems.append(str(about["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled":
            self.problems.append(f"console: {about['args']}")
        elif event == "Page.javascriptDialogOpening":
            self.problems.append(f"dialog: {about['message']}")
            os.write(self._out, json.dumps({"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": False},
                                            "sessionId": self._session}).encode() + b"\0")
        elif event == "Network.loadingFailed" and not about.get("canceled"):
            self.problems.append(f"failed: {about.get('errorText')} {about.get('blockedReason', '')}")
