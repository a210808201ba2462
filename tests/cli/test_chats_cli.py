from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from telethon.crypto import rsa

from support.command import ACCOUNTS, COMMAND, Tgbulk
from support.terminal import Terminal
from tgbulk.cli.table import columns
from tgbulk.engine.text import printable
from tgbulk.perf.simdc.corpus.build import build_world


def test_json_has_every_chat_once(logged_in: Tgbulk) -> None:
    logged_in.dc.control("reset")
    answer = logged_in("chats", "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    entries = [json.loads(line) for line in answer.stdout.splitlines()]
    world = build_world(1, ACCOUNTS)
    expected = {dialog.marked_id: dialog for dialog in world.accounts[0].dialogs}
    assert sorted(entry["id"] for entry in entries) == sorted(expected)
    private = world.accounts[0].private
    for entry in entries:
        dialog = expected[entry["id"]]
        assert entry["pinned"] == dialog.pinned
        assert entry["archived"] == (dialog.folder_id == 1)
        peer = world.chats.get(entry["id"])
        if peer is not None:
            assert entry["title"] == peer.title
            assert entry["forbidden"] == (type(peer).__name__.endswith("Forbidden") or entry["id"] in private)
    calls = logged_in.dc.counters()["methods"]["messages.getDialogs"]["calls"]
    assert calls <= 2 + len(entries) // 100


def test_table_shows_the_same_chats(logged_in: Tgbulk) -> None:
    ids = [json.loads(line)["id"] for line in logged_in("chats", "--json").stdout.splitlines()]
    answer = logged_in("chats")
    assert answer.stderr == ""
    heading, *lines = answer.stdout.splitlines()
    assert heading.split() == ["id", "type", "title", "username", "unread", "last", "message", "notes"]
    assert [int(line.split()[0]) for line in lines] == ids
    start = heading.index("type")
    assert all(line[start - 1] == " " and line[start] != " " for line in lines)
    assert printable(answer.stdout.replace("\n", "")) == answer.stdout.replace("\n", "")


def test_table_on_a_terminal(logged_in: Tgbulk) -> None:
    with Terminal([COMMAND, "chats"], logged_in.environment, logged_in.home) as screen:
        screen.expect("last mes")  # as much of the heading as 80 columns leave room for
        assert screen.wait() == 0


@pytest.mark.parametrize(
    ("text", "shown", "width"),
    [
        ("plain", "plain", 5),
        ("\x1b[31mred\x07\n", "\ufffd[31mred\ufffd\ufffd", 10),
        ("a\u202eb", "a\ufffdb", 3),
        ("日本", "日本", 4),
        ("e\u0301", "e\u0301", 1),
    ],
)
def test_titles_cannot_steer_the_terminal(text: str, shown: str, width: int) -> None:
    assert printable(text) == shown
    assert columns(printable(text)) == width


def test_a_reader_that_leaves_early(logged_in: Tgbulk) -> None:
    for arguments in (["chats"], ["chats", "--json"], ["accounts"]):
        process = subprocess.Popen(
            [COMMAND, *arguments],
            env=dict(logged_in.environment),
            cwd=logged_in.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait() == 0


def test_accounts_of_several_names(logged_in: Tgbulk) -> None:
    assert logged_in.login(1, "--account", "work").returncode == 0
    answer = logged_in("accounts")
    heading, main, work = answer.stdout.splitlines()
    assert heading.startswith("account  server")
    assert main.split()[0] == "main"
    assert work.split()[0] == "work"
    assert logged_in("chats", "--account", "work").returncode == 0
    assert logged_in("logout", "--account", "work").stderr == "logged out account work\n"
    assert logged_in("accounts").stdout.splitlines()[1:] == [main]


def test_logout_ends_the_login_and_removes_the_files(tgbulk: Tgbulk) -> None:
    assert tgbulk.login().returncode == 0
    copy = tgbulk.home / "copy"
    copy.write_bytes(tgbulk.session.read_bytes())
    folder = tgbulk.session.parent
    answer = tgbulk("logout")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "logged out account main\n")
    assert list(folder.iterdir()) == []
    assert tgbulk("logout").returncode == 5

    copy.chmod(0o600)
    copy.rename(folder / "main.session")
    assert tgbulk("chats").returncode == 5
    answer = tgbulk("logout")
    assert (answer.returncode, answer.stderr) == (
        0, "account main was not logged in any more; deleted its session\n",
    )
    assert list(folder.iterdir()) == []


def test_logout_local_leaves_the_login(logged_in: Tgbulk) -> None:
    session, content = logged_in.session, logged_in.session.read_bytes()
    assert logged_in("logout", "--local").returncode == 0
    assert not session.exists()
    session.touch(0o600)
    session.write_bytes(content)
    assert logged_in("chats").returncode == 0


def test_no_session(tgbulk: Tgbulk) -> None:
    answer = tgbulk("chats", "--account", "other")
    assert answer.returncode == 5
    assert answer.stderr.splitlines()[0].startswith("tgbulk: error: account other is not logged in: ")
    assert answer.stderr.splitlines()[1] == "tgbulk: hint: Run: tgbulk login --account other"
    assert not (tgbulk.home / "sessions").exists()


def errors(answer: subprocess.CompletedProcess[str]) -> list[str]:
    """What was said on standard error, but for which server a login goes to."""
    server = "tgbulk: logging in to the server at 127.0.0.1"
    return [line for line in answer.stderr.splitlines() if not line.startswith(server)]


def test_session_in_use(logged_in: Tgbulk) -> None:
    with Terminal([COMMAND, "login", "--force"], logged_in.environment, logged_in.home) as screen:
        screen.expect("Phone number")
        pid = screen.process.pid
        for arguments in (["chats"], ["logout"], ["logout", "--local"], ["login"]):
            answer = logged_in(*arguments)
            assert answer.returncode == 6
            assert errors(answer)[0] == f"tgbulk: error: account main is in use by process {pid}"
        entry = json.loads(logged_in("accounts", "--json").stdout)
        assert entry["holder"] == f"process {pid}"
        screen.process.send_signal(signal.SIGKILL)
        screen.process.wait()
    assert logged_in("chats").returncode == 0


def test_loose_permissions(logged_in: Tgbulk) -> None:
    session = logged_in.session
    folder = session.parent
    for path, mode, right in ((session, 0o640, "600"), (folder, 0o755, "700"), (folder.parent, 0o701, "700")):
        tight = path.stat().st_mode & 0o777
        path.chmod(mode)
        answer = logged_in("chats")
        assert answer.returncode == 8
        assert answer.stderr.splitlines() == [
            f"tgbulk: error: {path} is not safe: others can read it (mode {mode:04o})",
            f"tgbulk: hint: Make it private: chmod {right} {path}",
        ]
        path.chmod(tight)
    assert logged_in("chats").returncode == 0


def test_a_damaged_session(logged_in: Tgbulk) -> None:
    logged_in.session.write_bytes(b"this is not SQLite" * 100)
    answer = logged_in("chats")
    assert answer.returncode == 8
    assert answer.stderr == (
        "tgbulk: error: the session of account main: file is not a database\n"
        "tgbulk: hint: Run: tgbulk login --account main --force\n"
    )
    assert logged_in.login(0, "--force").returncode == 0
    assert logged_in("chats").returncode == 0


def test_server_gone(tmp_path: Path, logged_in: Tgbulk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    elsewhere = tmp_path / "elsewhere.toml"
    text = logged_in.dc.server_file.read_text()
    elsewhere.write_text(text.replace(f"port = {logged_in.dc.settings['port']}\n", f"port = {port}\n", 1))
    answer = logged_in("chats", "--server", str(elsewhere))
    assert answer.returncode == 7
    assert answer.stderr.splitlines() == [
        f"tgbulk: error: the server at 127.0.0.1:{port} cannot be used: no connection could be made",
        "tgbulk: hint: Check the network and that the server runs, then try again.",
    ]


def test_a_server_that_hangs_up(tmp_path: Path, tgbulk: Tgbulk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:
        port = rude.getsockname()[1]

        def hang_up() -> None:
            while True:
                try:
                    rude.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up)
        thread.start()
        elsewhere = tmp_path / "elsewhere.toml"
        text = tgbulk.dc.server_file.read_text()
        elsewhere.write_text(text.replace(f"port = {tgbulk.dc.settings['port']}\n", f"port = {port}\n", 1))
        answer = tgbulk("login", "--server", str(elsewhere), "--phone", "1", "--code", "1")
        rude.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert answer.returncode == 7
    # The second where its close comes as a reset.
    assert errors(answer)[0] in {
        f"tgbulk: error: the server at 127.0.0.1:{port} cannot be used: {reason}"
        for reason in ("it closed the connection", "no connection could be made")
    }


def test_another_key(tmp_path: Path, tgbulk: Tgbulk) -> None:
    key, _ = next(iter(rsa._server_keys.values()))
    mixed = tmp_path / "mixed.toml"
    own = tgbulk.dc.settings["public_key"].strip()
    mixed.write_text(tgbulk.dc.server_file.read_text().replace(own, key.save_pkcs1().decode().strip()))
    answer = tgbulk("login", "--server", str(mixed), "--phone", "1", "--code", "1")
    assert answer.returncode == 7
    assert "no encryption key could be agreed on" in answer.stderr


def test_help_is_quick_and_the_command_line_imports_no_telethon(tgbulk: Tgbulk) -> None:
    answer = tgbulk("--help")
    assert answer.returncode == 0
    assert all(name in answer.stdout for name in ("login", "accounts", "logout", "chats", "export", "demo"))
    names = ("main", "login", "accounts", "logout", "chats", "export", "status")
    modules = ", ".join(f"tgbulk.cli.{name}" for name in names)
    code = f"import sys, {modules}; sys.exit(any(name.startswith('telethon') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_usage_errors_are_click_s(tgbulk: Tgbulk) -> None:
    assert tgbulk("nothing").returncode == 2
    assert tgbulk("chats", "--nothing").returncode == 2
    assert tgbulk("--version").stdout.startswith("tgbulk, version ")


def test_secrets_stay_out_of_a_verbose_log(tgbulk: Tgbulk) -> None:
    account = tgbulk.dc.accounts[1]
    password = tgbulk.secret("password", account["password"])
    answer = tgbulk(
        "--verbose", "login", "--phone", account["phone"], "--code", "00000", "--password-file", str(password),
        TELEGRAM_API_ID="1", TELEGRAM_API_HASH="0123456789abcdef",
    )
    assert answer.returncode == 5
    assert "Connecting to" in answer.stderr
    assert "Traceback" in answer.stderr
    for secret in ("0123456789abcdef", "00000", account["password"], account["phone"]):
        assert secret not in answer.stderr
