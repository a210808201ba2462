"""What every process that runs tests is given: signals as a terminal has them, the order of the tests, a demo archive."""
from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.command import COMMAND
from support.shared import once

#: A run in the background of a shell ignores Ctrl-C, and so would every command that it starts.
PLAIN: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL, signal.SIGQUIT: signal.SIG_DFL,
}

for number, handler in PLAIN.items():
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reverse", action="store_true", help="run the tests in reverse order")
    parser.addoption("--readers", type=int, default=1, help="accounts that share the chats of the disasters' exports")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("reverse"):
        items.reverse()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of `tgbulk demo`: every kind of chat, message, action and medium that the simulated Telegram has."""
    def make(root: Path) -> None:
        done = subprocess.run([COMMAND, "demo", "-o", str(root)], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "demo", make)
