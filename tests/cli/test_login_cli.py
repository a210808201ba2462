from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import segno
from telethon import TelegramClient
from telethon.crypto import AuthKey, rsa
from telethon.sessions import StringSession
from telethon.tl.functions.auth import AcceptLoginTokenRequest

from support.command import COMMAND, Tgbulk
from support.terminal import Terminal
from tgbulk.perf.simdc.launcher import SimDC


@asynccontextmanager
async def device(dc: SimDC, index: int) -> AsyncIterator[TelegramClient]:
    """A stock Telethon client, logged in as the account."""
    rsa.add_key(dc.settings["public_key"], old=False)
    session = StringSession()
    session.set_dc(dc.settings["dc_id"], dc.settings["host"], dc.settings["port"])
    client = TelegramClient(session, 1, "hash")
    account = dc.accounts[index]
    await client.connect()
    try:
        sent = await client.send_code_request(account["phone"])
        try:
            await client.sign_in(account["phone"], account["code"], phone_code_hash=sent.phone_code_hash)
        except Exception:
            await client.sign_in(password=account["password"])
        yield client
    finally:
        await client.disconnect()


def terminal(tgbulk: Tgbulk, *arguments: str) -> Terminal:
    return Terminal([COMMAND, *arguments], tgbulk.environment, tgbulk.home)


def only_account(tgbulk: Tgbulk) -> dict[str, Any]:
    answer = tgbulk("accounts", "--json")
    assert answer.returncode == 0
    entry: dict[str, Any] = json.loads(answer.stdout)
    return entry


def said(answer: subprocess.CompletedProcess[str]) -> str:
    """Behind the line that names the server, which comes first."""
    first, _, rest = answer.stderr.partition("\n")
    assert re.fullmatch(r"tgbulk: logging in to the server at 127\.0\.0\.1:\d+, which is not Telegram", first)
    return rest


def test_a_person_is_told_what_comes_next(tgbulk: Tgbulk) -> None:
    account = tgbulk.dc.accounts[0]
    words = ["login", "--account", "work", "--phone", f"+{account['phone']}", "--code", account["code"]]
    with terminal(tgbulk, *words) as screen:
        assert screen.wait() == 0
        assert "next: tgbulk chats --account work, then tgbulk export --account work CHAT -o ARCHIVE\n" in screen.screen
    for asked, found in (("work", ["work"]), ("main", [])):
        shown = tgbulk("accounts", "--json", "--account", asked).stdout.splitlines()
        assert [json.loads(line)["account"] for line in shown] == found


def test_login_by_options(tgbulk: Tgbulk) -> None:
    mask = os.umask(0)
    try:
        answer = tgbulk.login()
    finally:
        os.umask(mask)
    assert (answer.returncode, answer.stdout) == (0, "")
    entry = only_account(tgbulk)
    assert said(answer) == f"logged in as {entry['name']} ({entry['user_id']}) as account main\n"
    assert entry["account"] == "main"
    assert entry["path"] == str(tgbulk.session)
    assert entry["holder"] is None
    folder = tgbulk.session.parent
    assert tgbulk.files() == {folder.name: 0o700, "main.session": 0o600, "main.lock": 0o600}
    assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_login_with_a_password_from_a_file(tgbulk: Tgbulk) -> None:
    answer = tgbulk.login(1)
    assert (answer.returncode, said(answer)) == (
        0, f"logged in as {(entry := only_account(tgbulk))['name']} ({entry['user_id']}) as account main\n"
    )


def test_login_on_a_terminal_asks_again(tgbulk: Tgbulk) -> None:
    account = tgbulk.dc.accounts[1]
    with terminal(tgbulk, "login") as screen:
        screen.expect("Phone number with the country code: ")
        screen.type(f"+{account['phone'][:3]} {account['phone'][3:]}\n")
        screen.expect("Login code, sent in the Telegram app: ")
        screen.type("00000\n")
        screen.expect("The code is wrong.")
        screen.expect("Login code, sent in the Telegram app: ")
        screen.type(account["code"] + "\n")
        screen.expect("Two-step password (hint: simulated): ")
        assert not screen.echoes
        screen.type("not this\n")
        screen.expect("The password is wrong.")
        screen.expect("Two-step password (hint: simulated): ")
        screen.type(account["password"] + "\n")
        screen.expect("logged in as ")
        assert screen.wait() == 0
        assert screen.echoes
        assert account["password"] not in screen.screen
        assert "not this" not in screen.screen


def test_code_from_standard_input(tgbulk: Tgbulk) -> None:
    account = tgbulk.dc.accounts[0]
    answer = tgbulk("login", "--phone", account["phone"], stdin=account["code"] + "\n")
    assert answer.returncode == 0
    assert "\nlogged in as" in answer.stderr


@pytest.mark.parametrize("index", [0, 1])
def test_login_by_qr(tgbulk: Tgbulk, index: int) -> None:
    with terminal(tgbulk, "login", "--qr") as screen:
        picture = screen.expect("tg://login?token=")
        token = screen.expect("\r\n")
        drawn = io.StringIO()
        segno.make_qr("tg://login?token=" + token, error="l").terminal(drawn, border=2, compact=True)
        assert drawn.getvalue() in picture

        async def scan() -> None:
            async with device(tgbulk.dc, index) as client:
                await client(AcceptLoginTokenRequest(base64.urlsafe_b64decode(token + "==")))

        asyncio.run(scan())
        if index == 1:
            screen.expect("Two-step password")
            screen.expect(": ")
            screen.type(tgbulk.dc.accounts[1]["password"] + "\n")
        screen.expect("logged in as ")
        assert screen.wait() == 0
    assert tgbulk("chats").returncode == 0


def test_an_expired_qr_code_is_replaced(tgbulk: Tgbulk) -> None:
    tgbulk.dc.control("set", token_lifetime=1)
    try:
        with terminal(tgbulk, "login", "--qr") as screen:
            screen.expect("tg://login?token=")
            first = screen.expect("\r\n")
            screen.expect("\x1b[")
            screen.expect("tg://login?token=")
            assert screen.expect("\r\n") != first
    finally:
        tgbulk.dc.control("set", token_lifetime=30)


def test_login_from_a_session_string(tgbulk: Tgbulk) -> None:
    async def make() -> str:
        async with device(tgbulk.dc, 0) as client:
            return str(client.session.save())

    string = asyncio.run(make())
    answer = tgbulk("login", "--session-string-file", str(tgbulk.secret("string", string)))
    assert answer.returncode == 0, answer.stderr
    assert string not in answer.stderr
    assert tgbulk("chats").returncode == 0

    assert tgbulk("logout").returncode == 0
    answer = tgbulk("login", "--session-string-file", str(tgbulk.home / "string"))
    assert (answer.returncode, said(answer)) == (5, "tgbulk: error: login failed: this login has ended\n")


def test_session_strings_that_are_none(tgbulk: Tgbulk) -> None:
    unknown = StringSession()
    unknown.set_dc(2, "127.0.0.1", 1)
    unknown.auth_key = AuthKey(bytes(range(256)))
    cases = {
        "nonsense": "the file holds no Telethon session string",
        "1nonsense": "the file holds no Telethon session string",
        unknown.save(): "the server does not know this login",
    }
    for string, reason in cases.items():
        answer = tgbulk("login", "--session-string-file", str(tgbulk.secret("string", string)))
        assert (answer.returncode, said(answer)) == (5, f"tgbulk: error: login failed: {reason}\n")
    assert not list(tgbulk.home.rglob("*.session*"))


def test_wrong_answers(tgbulk: Tgbulk) -> None:
    first, second = tgbulk.dc.accounts[:2]
    wrong = str(tgbulk.secret("wrong", "not this"))
    cases = {
        ("--phone", first["phone"], "--code", "00000"): "the code is wrong",
        ("--phone", second["phone"], "--code", second["code"], "--password-file", wrong): "the password is wrong",
        ("--phone", "12", "--code", "1"): "the phone number is not valid; write it with the country code",
        ("--phone", "nobody", "--code", "1"): "the phone number is not valid; write it with the country code",
        ("--phone", first["phone"]): "standard input has ended before the answer; give --code",
    }
    for arguments, reason in cases.items():
        answer = tgbulk("login", *arguments)
        assert answer.returncode == 5
        assert answer.stderr.endswith(f"tgbulk: error: login failed: {reason}\n")
        assert "Traceback" not in answer.stderr
        assert "not this" not in answer.stderr
    assert not list(tgbulk.home.rglob("*.session*"))


def test_options_that_contradict(tgbulk: Tgbulk) -> None:
    answer = tgbulk("login", "--qr", "--phone", "1")
    assert answer.returncode == 2
    assert said(tgbulk("login", "--account", "../x")).startswith("tgbulk: error: '../x' is no account name\n")
    assert tgbulk("login", "--password-file", "missing").returncode == 2
    endless = tgbulk("login", "--password-file", "/dev/zero")
    assert (endless.returncode, "more than 4,096 characters" in endless.stderr) == (2, True), endless.stderr
    assert "give --account once" in tgbulk("login", "--account", "a", "--account", "b").stderr


def test_a_password_file_that_others_can_read_is_told(tgbulk: Tgbulk) -> None:
    tgbulk.secret("password", "x").chmod(0o644)
    answer = tgbulk("login", "--phone", "1", "--code", "1", "--password-file", str(tgbulk.home / "password"))
    assert "tgbulk: warning: others can read" in answer.stderr


def test_a_login_is_not_replaced_by_accident(tgbulk: Tgbulk) -> None:
    assert tgbulk.login(0).returncode == 0
    before = only_account(tgbulk)
    answer = tgbulk.login(2)
    assert answer.returncode == 2
    assert "account main is already logged in as " in answer.stderr
    assert only_account(tgbulk) == before

    answer = tgbulk("login", "--force", "--phone", tgbulk.dc.accounts[2]["phone"], "--code", "00000")
    assert answer.returncode == 5
    assert only_account(tgbulk) == before
    assert tgbulk("chats").returncode == 0

    assert tgbulk.login(2, "--force").returncode == 0
    assert only_account(tgbulk)["user_id"] != before["user_id"]


def test_an_ended_login_is_replaced_without_force(tgbulk: Tgbulk) -> None:
    assert tgbulk.login(3).returncode == 0
    tgbulk.dc.control("revoke", account=3)
    answer = tgbulk("chats")
    assert (answer.returncode, answer.stderr.splitlines()) == (
        5,
        ["tgbulk: error: account main is not logged in: this login has ended",
         "tgbulk: hint: Run: tgbulk login --account main"],
    )
    assert tgbulk.login(3).returncode == 0


def test_ctrl_c_at_a_prompt_leaves_nothing(tgbulk: Tgbulk) -> None:
    account = tgbulk.dc.accounts[1]
    with terminal(tgbulk, "login", "--phone", account["phone"], "--code", account["code"]) as screen:
        screen.expect("Two-step password (hint: simulated): ")
        assert not screen.echoes
        screen.type("\x03")
        screen.expect("tgbulk: error: interrupted")
        assert screen.wait() == -signal.SIGINT
        assert screen.echoes
        assert "Traceback" not in screen.screen
    assert not list(tgbulk.home.rglob("*.session*"))


def test_a_killed_login_does_not_stop_the_next(tgbulk: Tgbulk) -> None:
    with terminal(tgbulk, "login") as screen:
        screen.expect("Phone number")
        screen.process.send_signal(signal.SIGKILL)
        screen.process.wait()
    assert list(tgbulk.home.rglob(".main.login.session"))
    assert tgbulk("accounts").stdout == ""
    assert tgbulk.login().returncode == 0
    assert not list(tgbulk.home.rglob(".main.login.session*"))


def test_a_flood_wait_ends_the_login(tgbulk: Tgbulk) -> None:
    tgbulk.dc.control("flood", method="auth.sendCode", rate=0.001, burst=1)
    try:
        tgbulk.login(2)
        answer = tgbulk.login(2, "--force")
    finally:
        tgbulk.dc.control("flood", method="auth.sendCode")
    assert answer.returncode == 10
    assert re.match(r"tgbulk: error: Telegram asks to wait \d+ seconds before the next auth\.sendCode\n", said(answer))


def test_no_api_id_no_server(tgbulk: Tgbulk) -> None:
    bare = tgbulk.home / "server.toml"
    text = Path(tgbulk.environment["TGBULK_SERVER"]).read_text().splitlines()
    bare.write_text("\n".join(line for line in text if not line.startswith("api_")))
    answer = tgbulk("login", "--server", str(bare))
    assert (answer.returncode, answer.stderr.splitlines()) == (
        2,
        ["tgbulk: error: TELEGRAM_API_ID is not set",
         "tgbulk: hint: Get an API id and hash at https://my.telegram.org, then set TELEGRAM_API_ID and "
         "TELEGRAM_API_HASH."],
    )
    answer = tgbulk("login", "--server", str(tgbulk.home / "missing.toml"))
    assert answer.returncode == 7
    assert "missing.toml: No such file or directory" in answer.stderr
