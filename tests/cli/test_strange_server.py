"""Servers that answer anything but what was asked: each command ends, with a code and a line, and others go on."""
from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telethon.tl import types

from support.command import Tgbulk, at_home
from support.exporter import ended
from support.peak import MOST, Peak
from tgbulk.perf.simdc.handshake import STRANGE
from tgbulk.perf.simdc.launcher import SimDC

TOWN = "@sim_town"
EXPORT = ("export", "--quiet", TOWN, "--info", "--members", "--admin-log", "--stories")
#: Method -> a command that needs it.
ASKED = {
    "contacts.resolveUsername": EXPORT,
    "channels.getFullChannel": EXPORT,
    "channels.getParticipants": EXPORT,
    "channels.getAdminLog": EXPORT,
    "stories.getPeerStories": EXPORT,
    "users.getUsers": EXPORT,
    "help.getConfig": EXPORT,
    "account.initTakeoutSession": (*EXPORT[:3], "--takeout", "yes"),
    "messages.getSplitRanges": (*EXPORT[:3], "--takeout", "yes"),
    "messages.getDiscussionMessage": ("export", "--quiet", f"https://t.me/{TOWN[1:]}/5?comment="),
    "messages.getDialogs": ("chats",),
    "messages.getDialogFilters": ("chats", "--folder", "Work"),
}
#: Complete, partial, nothing, login, network: never internal.
CODES = {0, 2, 3, 4, 5, 7}
GARBAGE = b"\xde\xad\xbe\xef"
VECTOR = bytes.fromhex("15c4b51c")


def raw(data: bytes, **more: Any) -> dict[str, Any]:
    return {"lie": "raw", "data": base64.b64encode(data).decode(), **more}


def swarm(answer: bytes, place: int, item: bytes, count: int) -> dict[str, Any]:
    """The answer with so many items in the vector at this place among its vectors."""
    parts = answer.split(VECTOR)
    head = VECTOR.join(parts[: place + 1]) + VECTOR + count.to_bytes(4, "little")
    tail = VECTOR.join([b"", *parts[place + 2 :]])
    coded = {name: base64.b64encode(data).decode() for name, data in (("head", head), ("tail", tail))}
    return raw(item * 64, repeat=count // 64, **coded)


DIALOGS = bytes(types.messages.Dialogs([], [], [], []))
RESOLVED = bytes(types.contacts.ResolvedPeer(types.PeerUser(5), [], []))


@pytest.fixture(scope="module")
def dc() -> Iterator[SimDC]:
    with SimDC("--community", "town=20/30/450") as running:
        yield running


@pytest.fixture(scope="module")
def home(dc: SimDC, tmp_path_factory: pytest.TempPathFactory) -> Tgbulk:
    tgbulk = at_home(dc, tmp_path_factory.mktemp("home"))
    assert tgbulk.login().returncode == 0
    return tgbulk


@pytest.fixture(autouse=True)
def _truth(dc: SimDC, home: Tgbulk) -> Iterator[None]:
    yield
    for method in ASKED:
        dc.control("lie", method=method)
    dc.control("set", handshake="")
    for path in (home.home / "sessions").glob("*/*"):
        if path.suffix in (".pace", ".peers"):
            path.unlink()


def words_of(words: tuple[str, ...], archive: Path) -> list[str]:
    return [*words, "-o", str(archive)] if words[0] == "export" else [*words]


@pytest.mark.parametrize("method", ASKED)
def test_other_types_and_empty_lists_within_an_answer(home: Tgbulk, tmp_path: Path, method: str) -> None:
    """Whatever is wrong in it and where, it is no bug of ours; and once it is right, so is the archive."""
    for seed in range(4):
        home.dc.control("lie", method=method, lie="confuse", seed=seed)
        done = home(*words_of(ASKED[method], tmp_path / "archive"))
        assert done.returncode in CODES, (seed, done.stderr)
        assert "bug" not in done.stderr
        for path in (home.home / "sessions").glob("*/*.peers"):
            path.unlink()
    home.dc.control("lie", method=method)
    done = home(*words_of(ASKED[method], tmp_path / "archive"))
    assert done.returncode == 0 or "--folder" in ASKED[method], done.stderr


@pytest.mark.parametrize("method", ["updates.getState", "contacts.resolveUsername", "messages.getDialogs", "users.getUsers"])
@pytest.mark.parametrize(
    ("code", "text"), [(420, "FLOOD_WAIT_99999999999999999999"), (303, "USER_MIGRATE_77"), (303, "PHONE_MIGRATE_9999999999")]
)
def test_refusals_with_numbers_that_none_has(home: Tgbulk, tmp_path: Path, method: str, code: int, text: str) -> None:
    home.dc.control("lie", method=method, lie="refuse", code=code, message=text)
    try:
        done = home(*words_of(ASKED.get(method, EXPORT), tmp_path))
    finally:
        home.dc.control("lie", method=method)
    assert "bug" not in done.stderr
    assert "internal error" not in done.stderr
    assert done.returncode == 0 or "tgbulk: " in done.stderr


@pytest.mark.parametrize(
    ("method", "lie"),
    [
        ("messages.getDialogs", swarm(DIALOGS, 1, bytes(types.MessageEmpty(7, None)), 640_000)),
        ("messages.getDialogs", raw(bytes(1 << 14), repeat=1 << 12)),
        ("contacts.resolveUsername", swarm(RESOLVED, 1, bytes(types.UserEmpty(5)), 640_000)),
        ("contacts.resolveUsername", raw(GARBAGE, repeat=14 << 18)),
    ],
    ids=["messages", "bomb", "users", "14 MB"],
)
def test_answers_without_end(home: Tgbulk, tmp_path: Path, method: str, lie: dict[str, Any]) -> None:
    home.dc.control("lie", method=method, **lie)
    with ended(home.start(*words_of(ASKED[method], tmp_path))) as process:
        peak = Peak(process.pid)
        _, said = process.communicate(timeout=120)
        most = peak.stop()
    assert process.returncode in (4, 7), said
    assert "answer" in said
    assert 0 < most < MOST // 2


@pytest.mark.parametrize(
    "lie",
    [raw(GARBAGE), raw(GARBAGE, repeat=14 << 18), {"lie": "refuse", "code": 400, "message": "ODD"}],
    ids=["garbage", "14 MB", "refused"],
)
def test_a_server_that_cannot_tell_what_changed(home: Tgbulk, tmp_path: Path, lie: dict[str, Any]) -> None:
    """The messages are there all the same, and every other command works."""
    home.dc.control("lie", method="updates.getDifference", **lie)
    try:
        for words in ((*EXPORT[:3], "-o", str(tmp_path)), ("chats",), (*EXPORT[:3], "-o", str(tmp_path))):
            done = home(*words)
            assert done.returncode == 0, (words, done.stderr)
    finally:
        home.dc.control("lie", method="updates.getDifference")
    assert home("verify", str(tmp_path), "--against-server").returncode == 0


@pytest.mark.parametrize("how", [one for one in STRANGE if one])
def test_an_auth_key_that_cannot_be_made(home: Tgbulk, tmp_path: Path, how: str) -> None:
    """At once, whatever the server wants to have calculated."""
    home.dc.control("set", handshake=how)
    account = home.dc.accounts[0]
    done = home("login", "--account", "another", "--phone", account["phone"], "--code", account["code"])
    assert done.returncode == 7, done.stderr
    assert "cannot be used" in done.stderr


def test_comments_of_a_group_that_is_not_named(home: Tgbulk, tmp_path: Path) -> None:
    method = "messages.getDiscussionMessage"
    home.dc.control("lie", method=method, lie="change", field="chats", value=[])
    done = home(*words_of(ASKED[method], tmp_path))
    assert done.returncode == 4
    assert "does not say in which group the comments of post 5 are" in done.stderr


MIGRATE = raw(bytes(types.auth.LoginTokenMigrateTo(2, b"token")))
NOBODY = types.auth.Authorization(types.UserEmpty(5))


@pytest.mark.parametrize(
    ("lies", "words", "said"),
    [
        ({"auth.exportLoginToken": MIGRATE, "auth.importLoginToken": MIGRATE}, ["--qr"], "one data centre to the next"),
        ({"auth.exportLoginToken": raw(bytes(types.auth.LoginTokenSuccess(NOBODY)))}, ["--qr"], "knows of none"),
        ({"auth.exportLoginToken": raw(bytes(types.auth.LoginToken(None, bytes(9000))))}, ["--qr"], "too many for a QR"),
        ({"auth.signIn": raw(bytes(NOBODY))}, [], "knows of none"),
    ],
)
def test_logins_that_are_none(home: Tgbulk, lies: dict[str, Any], words: list[str], said: str) -> None:
    account = home.dc.accounts[0]
    try:
        for method, lie in lies.items():
            home.dc.control("lie", method=method, **lie)
        done = home("login", "--account", "new", *(words or ["--phone", account["phone"], "--code", account["code"]]))
    finally:
        for method in lies:
            home.dc.control("lie", method=method)
    assert done.returncode == 5
    assert "login failed: " in done.stderr
    assert said in done.stderr
