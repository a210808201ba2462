from __future__ import annotations

import asyncio
import base64
import dataclasses
import os
import socket
import stat
from pathlib import Path

import pytest
import rsa
from telethon.crypto import rsa as telethon_rsa
from telethon.sessions import SQLiteSession
from telethon.tl import types

from tgbulk.engine.error import ExitCode, LockedError
from tgbulk.engine.lock import Lock
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.account import open_account
from tgbulk.stages.fetch.error import (
    AccountNameError,
    AuthNeededError,
    ServerFileError,
    UnreachableError,
    UnsafeSessionError,
)
from tgbulk.stages.fetch.server import Server, read_server
from tgbulk.stages.fetch.session import Session, list_sessions

#: One of Telegram's own keys, as good as any.
FINGERPRINT, (KEY, _) = next(iter(telethon_rsa._server_keys.items()))
PEM = KEY.save_pkcs1().decode()
SERVER = Server(2, "127.0.0.1", 1, PEM)


def toml(**changes: object) -> str:
    values: dict[str, object] = {"dc_id": 2, "host": "127.0.0.1", "port": 443, "public_key": PEM} | changes
    lines = []
    for name, value in values.items():
        if value is not None:
            lines.append(f"{name} = '''{value}'''" if isinstance(value, str) else f"{name} = {str(value).lower()}")
    return "\n".join(lines)


def test_a_server_file(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text(toml(api_id=7, api_hash="x", other=1))
    assert read_server(path) == Server(2, "127.0.0.1", 443, PEM, 7, "x")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (toml(dc_id=None), "dc_id is missing"),
        (toml(public_key=None), "public_key is missing"),
        (toml(port="443"), "port is not an integer"),
        (toml(port=True), "port is not an integer"),
        (toml(host=1), "host is not a string"),
        (toml(host=""), "host is empty"),
        (toml(port=70000), "port is 70000, not between 1 and 65535"),
        (toml(dc_id=0), "dc_id is 0, not between 1 and 32767"),
        (toml(api_id="x"), "api_id is not an integer"),
        (toml(public_key="ssh-rsa AAAA"), "public_key is not a PEM of PKCS#1"),
        (toml(public_key=PEM[:200]), "public_key is a damaged PEM"),
        (toml(public_key=rsa.newkeys(512)[0].save_pkcs1().decode()), "public_key has 512 bits, not 2048"),
        ("dc_id =", "is not TOML: "),
    ],
)
def test_a_mistake_in_a_server_file_is_named(tmp_path: Path, text: str, mistake: str) -> None:
    path = tmp_path / "server.toml"
    path.write_text(text)
    with pytest.raises(ServerFileError) as caught:
        read_server(path)
    assert str(caught.value).startswith(f"server file {path}: {mistake}")
    assert caught.value.exit_code == ExitCode.NETWORK


def test_a_server_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ServerFileError, match="Is a directory"):
        read_server(tmp_path)
    with pytest.raises(ServerFileError, match="more than 64 KiB"):
        read_server(Path("/dev/zero"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ServerFileError, match="is not TOML"):
        read_server(tmp_path / "binary")


def test_the_fingerprint_is_telethon_s() -> None:
    for fingerprint, (key, _) in telethon_rsa._server_keys.items():
        server = dataclasses.replace(SERVER, public_key=key.save_pkcs1().decode())
        assert server.fingerprint == fingerprint.to_bytes(8, "big", signed=True).hex()


def test_a_key_is_whole_or_refused(tmp_path: Path) -> None:
    """Wherever it was cut, and with something behind it."""
    path = tmp_path / "server.toml"
    head, *lines, tail = PEM.splitlines()
    data = base64.b64decode("".join(lines))
    for damaged in [*(data[:size] for size in range(len(data))), data + b"x", data[:-1] + b"xx"]:
        path.write_text(toml(public_key="\n".join((head, base64.b64encode(damaged).decode(), tail))))
        with pytest.raises(ServerFileError, match="a damaged PEM"):
            read_server(path)


def test_environments_have_folders_of_their_own(tmp_path: Path) -> None:
    assert Session.of(tmp_path, None, "main").path == tmp_path / "sessions" / "telegram" / "main.session"
    assert Session.of(tmp_path, SERVER, "a.b-c").path == (
        tmp_path / "sessions" / SERVER.fingerprint / "a.b-c.session"
    )


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "..", "a b", "é", "a\n", "x" * 65])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(AccountNameError):
        Session.of(tmp_path, None, name)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session.of(tmp_path / "home", None, "main")
    session.make_folder()
    return session


def make(session: Session) -> None:
    SQLiteSession(str(session.make_draft())).close()
    session.keep_draft()


def test_everything_is_private_whatever_the_umask(tmp_path: Path) -> None:
    session = Session.of(tmp_path / "home", None, "main")
    mask = os.umask(0)
    try:
        session.make_folder()
        assert not session.exists()
        store = SQLiteSession(str(session.make_draft()))
        store.set_dc(2, "127.0.0.1", 443)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [session.folder, *session.folder.iterdir()]}
        assert modes == {"telegram": 0o700, ".main.login.session": 0o600, ".main.login.session-journal": 0o600}
        store.close()
        session.keep_draft()
    finally:
        os.umask(mask)
    assert session.exists()


def test_what_is_not_private_is_refused(session: Session) -> None:
    make(session)
    for path in (session.folder.parent, session.folder, session.path):
        mode = path.stat().st_mode
        path.chmod(mode | 0o004)
        with pytest.raises(UnsafeSessionError, match="others can read it"):
            session.exists()
        path.chmod(mode)
    assert session.exists()


def test_what_is_no_file_is_refused(session: Session) -> None:
    session.path.symlink_to(session.folder)
    with pytest.raises(UnsafeSessionError, match="it is no regular file"):
        session.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_somebody_else_owns_is_refused(session: Session) -> None:
    make(session)
    os.chown(session.path, 12345, -1)
    with pytest.raises(UnsafeSessionError, match="it belongs to user 12345"):
        session.exists()


def test_a_discarded_draft_leaves_the_session(session: Session) -> None:
    make(session)
    before = session.path.read_bytes()
    session.make_draft().write_bytes(b"half a login")
    session.discard_draft()
    assert session.path.read_bytes() == before
    assert [one.account for one in list_sessions(session.folder.parents[1])] == ["main"]
    assert sorted(p.name for p in session.folder.iterdir()) == ["main.session"]


def test_the_session_knows_its_user(session: Session) -> None:
    store = SQLiteSession(str(session.make_draft()))
    me = types.User(77, access_hash=5, first_name="Ada", last_name="L")
    store.process_entities(types.contacts.ResolvedPeer(None, [], [me]))
    store.process_entities(types.contacts.ResolvedPeer(None, [types.InputPeerUser(0, 77)], []))
    store.close()
    session.keep_draft()
    assert session.user() == (77, "Ada L")
    session.path.write_bytes(b"no database")
    assert session.user() == (None, None)


def access(home: Path, server: Server = SERVER) -> Access:
    return Access(1, "secret hash", server, home, "main")


def test_access_hides_the_hash(tmp_path: Path) -> None:
    assert "secret hash" not in repr(access(tmp_path))


async def _open(access: Access, lock: Lock | None = None) -> None:
    async with open_account(access, lock=lock):
        pass


def test_opening_checks_the_session_and_its_lock_first(tmp_path: Path) -> None:
    session = Session.of(tmp_path, SERVER, "main")
    with pytest.raises(AuthNeededError, match="there is no session for the server"):
        asyncio.run(_open(access(tmp_path)))
    session.make_folder()
    make(session)
    with session.lock as held:
        with pytest.raises(LockedError):
            asyncio.run(_open(access(tmp_path)))
        with pytest.raises(UnreachableError):
            asyncio.run(_open(access(tmp_path), held))
        assert session.lock.holder() is not None


def test_a_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgbulk.stages.fetch.client.CONNECT_SECONDS", 0.5)
    session = Session.of(tmp_path, SERVER, "main")
    session.make_folder()
    make(session)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = dataclasses.replace(SERVER, port=silent.getsockname()[1])
        with pytest.raises(UnreachableError, match="it does not answer"):
            asyncio.run(_open(access(tmp_path, server)))
    assert session.lock.holder() is None
