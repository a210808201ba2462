"""A proxy dies in mid-run: the run waits for it and asks nobody without it."""
from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.proxies import SOURCE, RunningProxy
from support.rig import SLOWLY, Rig, differences

#: Runs in every Python process: less patience.
HASTY = """
import sys
if "tgbulk.engine.forkserver" in sys.orig_argv:
    from tgbulk.stages.fetch import backoff, client, reader
    reader.PATIENCE = client.connect.__wrapped__.__kwdefaults__["patience"] = 6.0
    backoff.FIRST_SECONDS, backoff.LONGEST_SECONDS = 0.2, 2.0
"""


@pytest.fixture
def guarded(rig: Rig) -> Iterator[Rig]:
    rig.dc.control("set", only_from=SOURCE)
    rig.dc.control("reset")
    yield rig
    rig.dc.control("set", only_from="")


def test_it_comes_back(guarded: Rig, archive: Path, reference: dict[str, Any]) -> None:
    with RunningProxy("socks5", guarded.dc) as proxy:
        with guarded.slow():
            export = guarded.start(archive, *SLOWLY, TGBULK_PROXY=proxy.url)
            export.wait_for_commit(archive)
            proxy.stop()
            time.sleep(4)
            assert export.process.poll() is None
            proxy.start()
        code, said = export.end()
    assert code == 0, said
    assert "through socks5://***@" in said
    assert "is gone; trying again, nothing is lost" in said
    assert differences(archive, reference) == []
    assert guarded.dc.counters()["strangers"] == 0


def test_it_stays_away(guarded: Rig, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HASTY)
    with RunningProxy("socks5", guarded.dc) as proxy:
        with guarded.slow():
            export = guarded.start(archive, *SLOWLY, TGBULK_PROXY=proxy.url, PYTHONPATH=str(tmp_path))
            export.wait_for_commit(archive)
            proxy.stop()
        code, said = export.end()
    assert code == 7, said
    assert "the proxy gives no connection" in said
    assert guarded.dc.counters()["strangers"] == 0
