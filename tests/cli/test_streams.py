"""Standard streams as shells hand them over: closed, full, in another encoding, or with nobody at the other end."""
from __future__ import annotations

import json
import subprocess

import pytest

from support.command import COMMAND, TIMEOUT, Tgbulk
from tgbulk.engine.error import ExitCode


def shell(tgbulk: Tgbulk, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which `tgbulk` is the command; the code is the one of the first command of a pipe."""
    script = f'tgbulk() {{ "$COMMAND" "$@"; }}\n{line}\nexit ${{PIPESTATUS[0]}}'
    return subprocess.run(
        ["bash", "-c", script], env={**tgbulk.environment, "COMMAND": COMMAND, **variables}, cwd=tgbulk.home,
        capture_output=True, text=True, timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
@pytest.mark.usefixtures("logged_in")
def test_closed_streams_are_no_failure(tgbulk: Tgbulk, closed: str) -> None:
    for command in ("chats", "export me -o archive", "export me -o archive --json", "verify archive"):
        done = shell(tgbulk, f"tgbulk {command} {closed}")
        assert done.returncode == 0, (command, done.stderr)
        assert "error" not in done.stderr
    assert json.loads(next((tgbulk.home / "archive/chats").glob("*/chat.json")).read_bytes())["state"] == "complete"


def test_a_closed_input_holds_nothing(tgbulk: Tgbulk) -> None:
    done = shell(tgbulk, "tgbulk login <&-")
    assert done.returncode == ExitCode.AUTH
    assert "standard input has ended" in done.stderr
    assert shell(tgbulk, "tgbulk export - -o archive <&-").returncode == ExitCode.USAGE


@pytest.mark.parametrize("command", ["--help", "accounts --json"])
@pytest.mark.usefixtures("logged_in")
def test_full_output_is_said(tgbulk: Tgbulk, command: str) -> None:
    done = shell(tgbulk, f"tgbulk {command} > /dev/full")
    assert done.returncode == ExitCode.STORAGE
    assert done.stderr.startswith("tgbulk: error: standard output: No space left on device\n")


@pytest.mark.usefixtures("logged_in")
def test_events_that_nobody_takes_end_no_export(tgbulk: Tgbulk) -> None:
    done = shell(tgbulk, "tgbulk export me @sim_busy -o gone --json | head -1")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["event"] in ("chat_started", "chat_progress")  # of two processes
    done = shell(tgbulk, "tgbulk export me @sim_busy @nobody_here -o full --json > /dev/full")
    assert done.returncode == ExitCode.PARTIAL
    assert done.stderr == "tgbulk: the list of events is not continued: standard output: No space left on device\n"
    for archive in ("gone", "full"):
        summary = json.loads(next((tgbulk.home / archive / "runs").glob("*/summary.json")).read_bytes())
        assert len(summary["complete"]) == 2


@pytest.mark.usefixtures("logged_in")
def test_a_report_that_nobody_reads_ends_no_repair(tgbulk: Tgbulk) -> None:
    assert shell(tgbulk, "tgbulk export me @sim_busy -o archive").returncode == 0
    for messages in (tgbulk.home / "archive/chats").glob("*/messages.jsonl"):
        messages.write_bytes(messages.read_bytes()[:-1])
    assert shell(tgbulk, "tgbulk verify archive | true").returncode == ExitCode.DAMAGED
    assert shell(tgbulk, "tgbulk verify archive --repair --json | true").returncode == 0
    assert tgbulk("verify", "archive").returncode == 0


@pytest.mark.usefixtures("logged_in")
def test_remarks_that_nobody_takes_end_no_export(tgbulk: Tgbulk) -> None:
    for where in ("2> /dev/full", "--log-format json 2> >(:)"):
        assert shell(tgbulk, f"tgbulk export me -o archive {where}").returncode == 0


@pytest.mark.usefixtures("logged_in")
def test_what_the_encoding_lacks_is_a_question_mark(tgbulk: Tgbulk) -> None:
    done = shell(tgbulk, "tgbulk chats", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert "???" in done.stdout


def test_with_a_log_in_json_every_remark_is_json(tgbulk: Tgbulk) -> None:
    done = tgbulk("export", "me", "-o", "archive", "--log-format", "json")
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == ExitCode.AUTH
    assert [(one["event"], one["level"], one["run"]) for one in said] == [("notice", "error", ""), ("notice", "warning", "")]
    assert said[1]["text"].startswith("hint: ")
