"""What programs can rely on: kinds of failures, files about the end, waits that are remembered, waiting for locks."""
from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.command import COMMAND
from support.exporter import HISTORY, Exporter, ended
from support.terminal import Terminal

PRIVATE, MIDDLE = "-1001500000008", "@sim_middle"


@pytest.mark.parametrize(
    ("name", "kind", "telegram"),
    [
        ("@sim_nobody_at_all", "not_found", "USERNAME_NOT_OCCUPIED"),
        (PRIVATE, "forbidden", ""),
        ("-1009999999999", "not_found", ""),
        ("https://t.me/+AAAAAAAAAAAAAAAA", "not_found", "INVITE_HASH_"),
    ],
)
def test_kinds_of_failed_chats(exporter: Exporter, tmp_path: Path, name: str, kind: str, telegram: str) -> None:
    summary = exporter.events(tmp_path / "a", name, code=4)[-1]
    failed = summary["failed"][0]
    assert (failed["kind"], failed["retryable"], failed["retry_after"]) == (kind, False, None)
    assert failed["telegram"].startswith(telegram)


def test_failures_come_again_at_the_end_with_what_to_do(exporter: Exporter, tmp_path: Path) -> None:
    done = exporter.run(tmp_path / "a b", "@sim_nobody_at_all", "me", code=3)
    lines = done.stderr.splitlines()
    # After every chat's own line; what held the run up is told where there was something.
    said = lines.index("tgbulk: failed: @sim_nobody_at_all: nobody has this username")
    assert said > max(place for place, line in enumerate(lines) if "Saved Messages" in line)
    assert lines[said + 1] == f"tgbulk: hint: to try them again: tgbulk export --retry-failed -o '{tmp_path / 'a b'}'"
    run = next((tmp_path / "a b" / "runs").iterdir()).name
    assert f"tgbulk: run {run}\n" in done.stderr


def test_a_long_wait_is_remembered(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("flood", method=HISTORY, rate=0.0005, burst=1)
    summary = exporter.events(tmp_path / "a", MIDDLE, code=10)[-1]
    failed = summary["failed"][0]
    assert (failed["kind"], failed["retryable"]) == ("flood", True)
    assert 900 < failed["retry_after"] <= 2000
    exporter.calm()
    again = exporter.events(tmp_path / "a", MIDDLE, code=10)[-1]["failed"][0]
    assert 0 < again["retry_after"] <= failed["retry_after"]
    assert exporter.calls()[HISTORY] == 0
    exporter.forget_waits()
    exporter.run(tmp_path / "a", MIDDLE)


def test_summary_and_textfile(exporter: Exporter, tmp_path: Path) -> None:
    def metrics() -> dict[str, float]:
        families = text_string_to_metric_families((tmp_path / "run.prom").read_text())
        return {sample.name: sample.value for family in families for sample in family.samples}

    words = ["--summary", tmp_path / "summary.json", "--metrics-textfile", tmp_path / "run.prom"]
    exporter.run(tmp_path / "a", "me", *words)
    summary = json.loads((tmp_path / "summary.json").read_text())
    kept = json.loads(next((tmp_path / "a").glob("runs/*/summary.json")).read_text())
    assert summary == {name: value for name, value in kept.items() if name in summary}
    first = metrics()
    assert first["tgbulk_last_run_exit_code"] == 0
    assert first["tgbulk_last_run_chats_complete"] == 1
    assert abs(first["tgbulk_last_success_timestamp_seconds"] - time.time()) < 60
    exporter.run(tmp_path / "a", "@sim_nobody_at_all", *words, code=4)
    assert metrics()["tgbulk_last_run_exit_code"] == 4
    assert metrics()["tgbulk_last_success_timestamp_seconds"] == first["tgbulk_last_success_timestamp_seconds"]
    exporter.run(tmp_path / "a", "me", "--account", "third", *words, code=5)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["exit_code"], summary["stopped"]["kind"]) == (5, "account")
    assert metrics()["tgbulk_last_run_exit_code"] == 5


def test_waiting_for_a_lock(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("set", latency_ms=100, methods=[HISTORY])
    with ended(exporter.start(tmp_path / "a", MIDDLE, "--gentle")) as process:
        while not exporter.calls()[HISTORY]:
            assert process.poll() is None
            time.sleep(0.05)
        began = time.monotonic()
        exporter.run(tmp_path / "b", "me", "--wait-lock", "1", code=6)
        assert 1 <= time.monotonic() - began < 20
        waiting = exporter.start(tmp_path / "b", "me", "--wait-lock", "60")
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 11
        with ended(waiting):
            assert waiting.wait(60) == 0


def test_one_ctrl_c_ends_the_loop_of_a_shell(exporter: Exporter, tmp_path: Path) -> None:
    """The shell's own rule: it goes on with the loop unless its child died of the SIGINT."""
    exporter.dc.control("set", latency_ms=300, methods=[HISTORY])
    export = f"{COMMAND} export $c --gentle -o {tmp_path}/x"
    script = f"for c in {MIDDLE} @sim_bulk @sim_changing; do {export}; done; echo went on"
    with Terminal(["bash", "-c", script], exporter.tgbulk.environment, exporter.tgbulk.home) as screen:
        while not exporter.calls()[HISTORY]:
            assert screen.process.poll() is None
            time.sleep(0.05)
        screen.type("\x03")
        screen.expect("run the same command again")
        assert screen.wait() in (-signal.SIGINT, 128 + signal.SIGINT)
        assert "went on" not in screen.screen
        assert screen.screen.count("tgbulk: run ") == 1
    assert exporter.calls()[HISTORY] < 50


def test_help_loads_little() -> None:
    """What takes long to load is what makes a command slow; how long that is, a machine with other work cannot tell."""
    code = (
        "import sys\nfrom tgbulk.cli.main import main\ntry:\n    main(['--help'])\nfinally:\n"
        "    print([one for one in ('rich', 'telethon', 'asyncio', 'psutil', 'prometheus_client') if one in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
