"""Wrong input: one clear line, a hint, and an exit code each. And what is said where."""
from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from support.command import at_home
from support.exporter import HISTORY, Exporter, ended, lines

PRIVATE = "-1001500000008"


def said(text: str) -> list[str]:
    """The errors on standard error, without the prefix."""
    return [line.removeprefix("tgbulk: error: ") for line in text.splitlines() if line.startswith("tgbulk: error: ")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("@sim_nobody_at_all", "nobody has this username"),
        (PRIVATE, "this account may not read it"),
        ("-1009999999999", "it is not among the dialogs of this account"),
        ("https://t.me/+AAAAAAAAAAAAAAAA", "invite link"),
    ],
)
def test_one_chat_that_cannot_be_had(exporter: Exporter, tmp_path: Path, name: str, reason: str) -> None:
    done = exporter.run(tmp_path / "a", name, code=4)
    assert len(said(done.stderr)) == 1
    assert said(done.stderr)[0].startswith(f"{name}: ")
    assert reason in said(done.stderr)[0]
    assert said(done.stderr)[0].count(name) == 1
    assert "Traceback" not in done.stderr


def test_some_of_several_fail(exporter: Exporter, tmp_path: Path) -> None:
    events = exporter.events(tmp_path / "a", "@sim_kinds", "@sim_nobody_at_all", "me", PRIVATE, code=3)
    assert {event["name"] for event in events if event["event"] == "chat_failed"} == {"@sim_nobody_at_all", PRIVATE}
    summary = events[-1]
    assert (summary["exit_code"], summary["result"]) == (3, "partial")
    assert {chat["marked_id"] for chat in summary["complete"]} == {-1001500000011, 5000000001}
    assert {failure["name"] for failure in summary["failed"]} == {"@sim_nobody_at_all", PRIVATE}
    assert len(lines(tmp_path / "a", -1001500000011)) == 376


def test_the_same_chat_twice(exporter: Exporter, tmp_path: Path) -> None:
    done = exporter.run(tmp_path / "a", "@sim_kinds", "https://t.me/sim_kinds/5", "-1001500000011")
    assert done.stderr.count("the same chat was named twice; it is exported once") == 2
    assert exporter.calls()[HISTORY] <= 7
    assert len(lines(tmp_path / "a", -1001500000011)) == 376


def test_chats_from_standard_input(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path / "a", "-", "-1001500000003", stdin="me\n\n  @sim_unjoined  \r\n100004765\n")
    assert {path.name for path in (tmp_path / "a" / "chats").iterdir()} == {
        "5000000001", "-1001500000009", "100004765", "-1001500000003",
    }
    assert "no chats were named" in exporter.run(tmp_path / "b", "-", stdin="\n \n", code=2).stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["https://example.com/x"], "'https://example.com/x' is no chat"),
        (["@sim_kinds", "0"], "'0' is no chat"),
        (["--no-such-option", "me"], "No such option"),
        (["me", "--workers", "0"], "Invalid value for '--workers'"),
        (["me", "--max-in-flight", "101"], "Invalid value for '--max-in-flight'"),
    ],
)
def test_words_that_make_no_sense(exporter: Exporter, tmp_path: Path, words: list[str], text: str) -> None:
    done = exporter.run(tmp_path / "a", *words, code=2)
    assert text in done.stderr
    assert not (tmp_path / "a").exists()


def test_without_chats_or_archive(exporter: Exporter) -> None:
    assert exporter.tgbulk("export", "-o", "a").returncode == 2
    assert exporter.tgbulk("export", "me").returncode == 2
    assert "Invalid value for '--output': it is empty" in exporter.tgbulk("export", "me", "-o", "").stderr


def test_no_session(exporter: Exporter, tmp_path: Path) -> None:
    done = exporter.run(tmp_path / "a", "me", "--account", "third", code=5)
    assert said(done.stderr)[0].startswith("account third is not logged in")
    assert "tgbulk: hint: Run: tgbulk login --account third" in done.stderr
    assert not (tmp_path / "a").exists()


def test_a_login_that_has_ended(exporter: Exporter, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    other = at_home(exporter.dc, home)
    assert other.login().returncode == 0
    session = other.session
    assert other("logout").returncode == 0
    assert not session.exists()
    assert other("export", "me", "-o", "a").returncode == 5


def test_session_and_archive_in_use(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("set", latency_ms=300, methods=[HISTORY])
    with ended(exporter.start(tmp_path / "a", "@sim_middle")) as process:
        deadline = time.monotonic() + 30
        while exporter.calls()[HISTORY] < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        done = exporter.run(tmp_path / "b", "me", code=6)
        assert "account main" in said(done.stderr)[0]
        assert str(process.pid) in said(done.stderr)[0]
        done = exporter.run(tmp_path / "a", "me", "--account", "second", code=6)
        assert f"archive {tmp_path / 'a'} is in use by" in done.stderr


def spoiled(kind: str, path: Path) -> None:
    if kind == "file":
        path.write_text("x")
    elif kind == "foreign":
        path.mkdir()
        (path / "photo.jpg").write_text("x")
    elif kind == "newer":
        path.mkdir()
        (path / "archive.json").write_text('{"format": 999}')
    elif kind == "broken":
        path.mkdir()
        (path / "archive.json").write_text("{")
    else:
        path.symlink_to(path.parent / "nowhere" / "at" / "all")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("file", "it is not a folder"), ("foreign", "it is not empty and has no archive.json"), ("newer", "has format 999"),
        ("broken", "its archive.json cannot be read"), ("dangling", "it is not a folder"),
    ],
)
def test_archives_that_cannot_be_used(exporter: Exporter, tmp_path: Path, kind: str, text: str) -> None:
    spoiled(kind, tmp_path / kind)
    before = sorted(tmp_path.rglob("*"))
    done = exporter.run(tmp_path / kind, "me", code=8)
    assert len(said(done.stderr)) == 1
    assert text in said(done.stderr)[0]
    assert str(tmp_path / kind) in said(done.stderr)[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_server_files(exporter: Exporter, tmp_path: Path) -> None:
    for name, text in (("none", None), ("torn", "dc_id = "), ("empty", "")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        done = exporter.run(tmp_path / "a", "me", "--server", path, code=7)
        assert said(done.stderr)[0].startswith(f"server file {path}: ")
    assert not (tmp_path / "a").exists()


def test_a_server_that_is_gone(exporter: Exporter, tmp_path: Path) -> None:
    """Nothing listens there: told at once."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    text = exporter.dc.server_file.read_text()
    (tmp_path / "server.toml").write_text(text.replace(f"\nport = {exporter.dc.settings['port']}\n", f"\nport = {port}\n"))
    done = exporter.run(tmp_path / "a", "me", "--server", tmp_path / "server.toml", code=7)
    assert f"127.0.0.1:{port} cannot be used: no connection could be made" in said(done.stderr)[0]
    assert len(said(done.stderr)) == 1


def test_nothing_secret_is_told_or_kept(exporter: Exporter, tmp_path: Path) -> None:
    account = exporter.dc.accounts[0]
    done = exporter.run(tmp_path / "a", "@sim_empty", PRIVATE, "@sim_nobody_at_all", "--json", "--verbose", code=3)
    told = (done.stdout + done.stderr).encode()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file())
    for secret in (exporter.dc.settings["api_hash"], account["phone"], "2FA", exporter.dc.accounts[1]["password"]):
        assert secret.encode() not in told
        assert secret.encode() not in kept
    for line in done.stdout.splitlines():
        json.loads(line)


def test_quiet_shows_failures_alone(exporter: Exporter, tmp_path: Path) -> None:
    assert exporter.run(tmp_path / "a", "@sim_empty", "--quiet").stderr == ""
    done = exporter.run(tmp_path / "a", "@sim_empty", PRIVATE, "--quiet", code=3)
    assert len(said(done.stderr)) == 1


def test_gentle_asks_once_a_second(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("flood", method=HISTORY, rate=1.2, burst=1)
    exporter.run(tmp_path / "a", "@sim_unjoined", "@sim_named", "--gentle")
    count = exporter.dc.counters()["methods"][HISTORY]
    assert count["calls"] >= 3
    assert count["floods"] == 0
