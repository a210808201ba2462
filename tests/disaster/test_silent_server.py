"""A server that does not answer, closes, sends garbage, or lists chats for ever: real processes, on shorter clocks."""
from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.exporter import CALM
from support.rig import LATENCY, SLOWLY, Rig, content, differences, message_ids
from tgbulk.perf.simdc.launcher import SimDC

#: Runs in every Python process: the same bounds, a tenth or less as long.
HASTY = """
import sys
if "tgbulk.engine.forkserver" in sys.orig_argv or "chats" in sys.orig_argv or "login" in sys.orig_argv:
    from tgbulk.stages.fetch import accounts, backoff, client, reader, sender
    from tgbulk.stages.fetch.media import connection
    sender.Sender.__init__.__kwdefaults__["answer_seconds"] = 1.0
    sender.LOOK_SECONDS = 0.1
    accounts.CONNECT_SECONDS = client.CONNECT_SECONDS = 5.0
    reader.PATIENCE = client.connect.__wrapped__.__kwdefaults__["patience"] = 6.0
    connection.PATIENCE = 6.0
    backoff.FIRST_SECONDS, backoff.LONGEST_SECONDS = 0.2, 2.0
"""
#: All that a test may have set.
FAULTS = CALM | {"lose_rate": 0, "misroute_rate": 0, "flood_zero_rate": 0, "greeting": "", "greeting_dcs": [], "dialogs": ""}


@pytest.fixture
def hasty(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "sitecustomize.py").write_text(HASTY)
    return {"PYTHONPATH": str(tmp_path)}


@pytest.fixture(autouse=True)
def _calm(rig: Rig) -> Iterator[None]:
    yield
    rig.dc.control("set", **FAULTS | {"latency_ms": LATENCY})


@pytest.mark.parametrize("fault", ["lose_rate", "misroute_rate"])
def test_answers_that_are_lost(
    rig: Rig, archive: Path, reference: dict[str, Any], hasty: dict[str, str], fault: str
) -> None:
    """They are asked for again; the archive is the same."""
    with rig.slow():
        export = rig.start(archive, *SLOWLY, **hasty)
        export.wait_for_commit(archive)
        rig.dc.control("set", methods=["messages.getHistory"], **{fault: 1.0})
        time.sleep(1.5)
        rig.dc.control("set", methods=[], **{fault: 0.0})
    code, said = export.end()
    assert code == 0, said
    assert "no answer to messages.getHistory in 1 s; asking again over a new connection" in said
    assert differences(archive, reference) == []


@pytest.mark.parametrize(
    "fault", [{"lose_rate": 1.0}, {"misroute_rate": 1.0}, {"lose_rate": 1.0, "methods": ["messages.getHistory"]}]
)
def test_no_answer_any_more(
    rig: Rig, readers: int, archive: Path, reference: dict[str, Any], hasty: dict[str, str], fault: dict[str, Any]
) -> None:
    """Where other requests of several accounts are answered, it may be that only chats fail, with the same reason."""
    with rig.slow():
        export = rig.start(archive, *SLOWLY, **hasty)
        export.wait_for_commit(archive)
        rig.dc.control("set", **fault)
    began = time.monotonic()
    code, said = export.end()
    assert code == 7 or (readers > 1 and "methods" in fault and code == 3), said
    assert "does not answer messages.getHistory" in said
    assert time.monotonic() - began < 30
    rig.dc.control("set", **FAULTS | {"latency_ms": LATENCY})
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []


@pytest.mark.parametrize("fault", ["lose_rate", "drop_rate"])
def test_one_of_two_accounts_is_answered_no_more(
    dc: SimDC, tmp_path: Path, archive: Path, reference: dict[str, Any], hasty: dict[str, str], fault: str
) -> None:
    """Whether in mid-run or from the start, the other one does the rest; a follower does not begin without it."""
    rig = Rig.make(dc, tmp_path / "home", first=1, accounts=2)
    words = ["--workers", "2", "--max-in-flight", "2", "--account", "main", "--account", "account1"]
    with rig.slow():
        export = rig.start(archive, *words, **hasty)
        export.wait_for_commit(archive)
        dc.control("set", accounts=[1], **{fault: 1.0})
    try:
        code, said = export.end()
        assert code == 0, said
        assert "account main: " in said
        assert "; the other accounts continue" in said
        assert message_ids(content(archive)) == message_ids(reference)
        code, said = rig.start(tmp_path / "again", *words, **hasty).end()
        assert code == 0, said
        assert "account main: " in said
        assert "; the other accounts continue" in said
        assert message_ids(content(tmp_path / "again")) == message_ids(reference)
        done = rig.run("follow", archive, "@sim_small", "--account", "main", "--account", "account1", **hasty)
        assert done.returncode == 7, done.stderr
    finally:
        dc.control("set", accounts=[], **{fault: 0.0})


@pytest.mark.parametrize("greeting", ["close", "garbage", "silence"])
def test_the_server_takes_connections_and_no_more(
    rig: Rig, readers: int, archive: Path, reference: dict[str, Any], hasty: dict[str, str], greeting: str
) -> None:
    with rig.slow():
        export = rig.start(archive, *SLOWLY, **hasty)
        export.wait_for_commit(archive)
        rig.dc.control("reset")
        rig.dc.control("set", greeting=greeting)
        rig.dc.control("drop")
    began = time.monotonic()
    code, said = export.end()
    assert code == 7, said
    assert "trying again" in said or "asking again" in said
    assert time.monotonic() - began < 30
    assert 2 <= rig.dc.counters()["connections"] <= 12 * readers
    rig.dc.control("set", greeting="")
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []


@pytest.mark.parametrize("greeting", ["close", "garbage", "silence"])
def test_the_same_from_the_start(rig: Rig, readers: int, archive: Path, hasty: dict[str, str], greeting: str) -> None:
    rig.dc.control("reset")
    rig.dc.control("set", greeting=greeting)
    for words in (["export", "@sim_small", "-o", archive, "--quiet"], ["chats"]):
        done = rig.run(*words, **hasty)
        assert done.returncode == 7, done.stderr
        assert "cannot be used" in done.stderr
    assert rig.dc.counters()["connections"] <= 24 * readers


@pytest.mark.parametrize("how", ["close", "garbage", "a port that is closed"])
def test_a_data_centre_of_files_that_cannot_be_had(rig: Rig, archive: Path, hasty: dict[str, str], how: str) -> None:
    """Its files fail, others come; it is not stormed."""
    foreign = 6 - rig.dc.settings["dc_id"]
    rig.dc.control("reset")
    if how in ("close", "garbage"):
        rig.dc.control("set", greeting=how, greeting_dcs=[foreign])
    else:
        rig.dc.control("lie", method="help.getConfig", lie="change", field="dc_options.*.port", value=9)
    try:
        done = rig.export(archive, "--media", "document", chats=("@sim_kinds",), **hasty)
    finally:
        rig.dc.control("lie", method="help.getConfig")
    assert done.returncode == 3, done.stderr
    assert f"data centre {foreign}" in done.stderr
    assert list(archive.glob("media/document/*/*"))
    assert rig.dc.counters()["connections"] < 60


@pytest.mark.parametrize("how", ["same", "endless"])
def test_a_list_of_chats_that_does_not_end(rig: Rig, hasty: dict[str, str], how: str) -> None:
    rig.dc.control("reset")
    rig.dc.control("set", dialogs=how)
    done = rig.run("chats", **hasty)
    assert done.returncode == 3, done.stderr
    assert "does not end as it should" in done.stderr
    assert len(done.stdout.splitlines()) > 200
    assert rig.dc.counters()["methods"]["messages.getDialogs"]["calls"] < 20


#: In fetch alone: the receipts of pages are lost, as by a bug.
LOSING = """
import sys
if "tgbulk.engine.forkserver" in sys.orig_argv:
    from tgbulk.engine import ring
    from tgbulk.stages.fetch import standstill
    standstill.NOTICED_SECONDS, standstill.ENDED_SECONDS, standstill.LOOK_SECONDS = 2.0, 6.0, 0.2
    handle = ring.Ring.handle
    def lose(self, frame, descriptors):
        if getattr(frame, "seq", 0) < 12:
            handle(self, frame, descriptors)
    ring.Ring.handle = lose
"""


def test_a_run_that_stands_still_says_so_and_ends(
    rig: Rig, archive: Path, tmp_path: Path, reference: dict[str, Any]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOSING)
    code, said = rig.start(archive, *SLOWLY, PYTHONPATH=str(tmp_path)).end()
    assert code == 1, said
    assert "nothing has moved for 2 s, and nothing says why; its state is in" in said
    assert "nothing has moved for 6 s" in said
    (state,) = archive.glob("runs/*/hang-fetch-*.txt")
    assert "pipeline.py" in state.read_text()
    assert "messages.getHistory: 0 in flight" in state.read_text()
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []
