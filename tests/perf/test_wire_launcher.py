"""The server as a process of its own: start, control, restart, death."""
from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions

from support.wire import stock_client
from tgbulk.perf.simdc.launcher import ROOT, SimDC, SimDCError


@pytest.fixture(scope="module")
def simdc() -> Iterator[SimDC]:
    with SimDC() as running:
        yield running
        running.stop()


def client_for(simdc: SimDC, **options: Any) -> TelegramClient:
    return stock_client(simdc.settings["host"], simdc.settings["port"], simdc.settings["public_key"], **options)


async def log_in(client: TelegramClient, account: dict[str, str]) -> None:
    await client.connect()
    await client.send_code_request(account["phone"])
    try:
        await client.sign_in(account["phone"], account["code"])
    except errors.SessionPasswordNeededError:
        await client.sign_in(account["phone"], password=account["password"])


def test_control_changes_a_running_server(simdc: SimDC) -> None:
    async def check() -> None:
        client = client_for(simdc, retry_delay=0)
        await log_in(client, simdc.accounts[0])
        simdc.control("reset")
        state = functions.updates.GetStateRequest()
        simdc.control("flood", method="updates.getState", rate=0.01, burst=1)
        await client._sender.send(state)
        with pytest.raises(errors.FloodWaitError):
            await client._sender.send(state)
        simdc.control("flood", method="updates.getState")
        await client._sender.send(state)
        assert simdc.counters()["methods"]["updates.getState"]["calls"] == 3
        simdc.control("set", latency_ms=200, takeout_delay=30)
        began = time.monotonic()
        with pytest.raises(errors.TakeoutInitDelayError):
            await client(functions.account.InitTakeoutSessionRequest())
        assert time.monotonic() - began >= 0.2
        simdc.control("set", latency_ms=0, takeout_delay=0)
        simdc.control("drop")
        assert await client.get_me()
        assert simdc.control("revoke", account=0) == 1
        with pytest.raises(errors.AuthKeyUnregisteredError):
            await client(state)
        await client.disconnect()

    asyncio.run(check())


def test_control_changes_chats_and_tells_the_truth(simdc: SimDC, tmp_path: Path) -> None:
    done = simdc.control("mutate", chat="sim_kinds", insert=2)
    assert len(done["insert"]) == 2
    assert [change["id"] for change in simdc.control("mutations")] == done["insert"]
    simdc.control("truth", folder=str(tmp_path))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["0", "1"]


def test_senseless_control_requests_are_refused(simdc: SimDC) -> None:
    for do, request, message in (
        ("fly", {}, "unknown command"),
        ("set", {"speed": 1}, "no setting speed"),
        ("flood", {"method": "m", "rate": 0}, "rate must be above 0"),
        ("revoke", {"account": 77}, "IndexError"),
    ):
        with pytest.raises(SimDCError, match=message):
            simdc.control(do, **request)


def test_sessions_outlive_a_restart_and_a_kill(tmp_path: Path) -> None:
    with SimDC("--state", str(tmp_path / "state")) as simdc:

        async def check() -> None:
            client = client_for(simdc, retry_delay=0.1, connection_retries=1800)
            await log_in(client, simdc.accounts[1])
            me = await client.get_me()
            await asyncio.to_thread(simdc.restart)
            assert await client.get_me() == me
            await asyncio.to_thread(simdc.kill)
            await asyncio.to_thread(simdc.start)
            assert await client.get_me() == me
            assert simdc.counters()["handshakes"] == 0
            await client.disconnect()

        asyncio.run(check())


def test_nothing_is_left_behind() -> None:
    with SimDC() as simdc:
        process = psutil.Process(simdc.pid)
        folder = simdc.server_file.parent
        assert folder.exists()
    assert not process.is_running()
    assert not folder.exists()


def test_server_dies_with_whoever_started_it(tmp_path: Path) -> None:
    program = (
        "import time; from perf.simdc.launcher import SimDC; simdc = SimDC(); simdc.start(); "
        "print(simdc.pid, simdc.server_file.parent, flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline().split()[0]))
        parent.kill()
    server.wait(10)


def test_bad_arguments_end_the_start() -> None:
    simdc = SimDC("--flood", "messages.getHistory")
    with pytest.raises(SimDCError, match="METHOD=RATE/BURST"), simdc:
        pass
    assert not simdc.server_file.parent.exists()
