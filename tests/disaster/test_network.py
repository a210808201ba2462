"""The network stalls, is cut, is gone for a while; the data centre restarts; logins end."""
from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.proxy import Proxy
from support.rig import SERVER, SLOWLY, Rig, content, differences, message_ids
from tgbulk.perf.simdc.launcher import SimDC


@pytest.fixture
def proxy(rig: Rig) -> Iterator[Proxy]:
    with Proxy(rig.dc.settings["port"]) as running:
        yield running


def start(rig: Rig, proxy: Proxy, archive: Path) -> Any:
    file = proxy.server_file(archive.parent / "server.toml", rig.dc.server_file)
    return rig.start(archive, *SLOWLY, TGBULK_SERVER=str(file))


@pytest.mark.parametrize("how", ["stall", "cut", "refuse"])
def test_the_network_is_gone_for_a_while(
    rig: Rig, archive: Path, reference: dict[str, Any], proxy: Proxy, how: str
) -> None:
    with rig.slow():
        export = start(rig, proxy, archive)
        export.wait_for_commit(archive)
        getattr(proxy, how)()
        time.sleep(4)
        assert how == "cut" or export.process.poll() is None
        if how == "stall":
            proxy.go_on()
        elif how == "refuse":
            proxy.accept()
    code, said = export.end()
    assert code == 0, said
    # Of a cut that is made good at once, and of a stall that loses nothing, nobody needs to know.
    told = ["is gone; trying again, nothing is lost", "is back after "] if how == "refuse" else []
    notices = [line for line in said.splitlines() if "the connection of account main to the server at" in line]
    assert len(notices) == len(told), said
    assert all(words in line for words, line in zip(told, notices, strict=True)), said
    assert differences(archive, reference) == []


def test_the_network_is_not_there_at_the_start(rig: Rig, archive: Path, proxy: Proxy) -> None:
    proxy.refuse()
    code, said = start(rig, proxy, archive).end()
    assert code == 7, said
    assert "cannot be used" in said


def test_the_data_centre_restarts_with_its_state(tmp_path: Path, reference: dict[str, Any]) -> None:
    with SimDC(*SERVER, "--state", str(tmp_path / "state")) as dc:
        rig, archive = Rig.make(dc, tmp_path / "home"), tmp_path / "archive"
        with rig.slow():
            export = rig.start(archive, *SLOWLY)
            export.wait_for_commit(archive)
            dc.restart()
        code, said = export.end()
        assert code == 0, said
        assert differences(archive, reference) == []


def test_the_only_login_ends(dc: SimDC, tmp_path: Path, reference: dict[str, Any]) -> None:
    rig, archive = Rig.make(dc, tmp_path / "home", first=2), tmp_path / "archive"
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        dc.control("revoke", account=2)
    code, said = export.end()
    assert code == 5, said
    assert "tgbulk login --account main" in said
    assert rig.export(archive).returncode == 5
    assert Rig.make(dc, tmp_path / "again", first=2).finish(archive) == 1
    assert message_ids(content(archive)) == message_ids(reference)


def test_one_of_two_logins_ends(dc: SimDC, tmp_path: Path, reference: dict[str, Any]) -> None:
    """That account stops, which is said; the other one does the rest."""
    rig, archive = Rig.make(dc, tmp_path / "home", first=1, accounts=2), tmp_path / "archive"
    words = ["--workers", "2", "--max-in-flight", "2", "--quiet", "--account", "main", "--account", "account1"]
    with rig.slow():
        export = rig.start(archive, *words)
        export.wait_for_commit(archive)
        dc.control("revoke", account=1)
    code, said = export.end()
    assert code == 0, said
    assert "account main is not logged in" in said
    assert "the other accounts continue" in said
    assert message_ids(content(archive)) == message_ids(reference)
    code, said = rig.start(tmp_path / "again", *words).end()
    assert code == 0, said
    assert "account main is not logged in" in said
    assert "the other accounts continue" in said
    assert message_ids(content(tmp_path / "again")) == message_ids(reference)
