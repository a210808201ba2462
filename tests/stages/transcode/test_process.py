from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tgbulk.stages.transcode.encoder import LINE_LIMIT, FfmpegProgress
from tgbulk.stages.transcode.process import STDERR_HEAD, STDERR_TAIL, Ending, Limits, Stop, run

PATIENT = Limits(30, term_grace=0.2, kill_grace=5)
DEAF = "trap '' TERM INT HUP; echo started; while :; do sleep 0.05; done"


def gone(pid: int) -> bool:
    """True when no process has that number any more, or only one that waits to be reaped by init."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 15
    while not gone(pid):
        assert time.monotonic() < deadline, f"{pid} lives"
        time.sleep(0.01)


def test_output_and_code() -> None:
    ended = run(["sh", "-c", "echo out; echo err >&2; exit 3"], PATIENT, keep=100)
    assert (ended.ending, ended.returncode, ended.stdout, ended.stderr) == (Ending.EXITED, 3, b"out\n", "err\n")
    assert not ended.good
    assert run(["true"], PATIENT).good
    assert run(["sh", "-c", "kill -SEGV $$"], PATIENT).describe() == "sh was ended by SIGSEGV"


def test_much_output_is_bounded_and_never_blocks() -> None:
    script = "echo first >&2; head -c 10000000 /dev/zero | tr '\\0' x >&2; head -c 10000000 /dev/zero; echo last >&2"
    ended = run(["sh", "-c", script], PATIENT, keep=1000)
    assert ended.good
    assert len(ended.stderr) == STDERR_HEAD + STDERR_TAIL
    assert (ended.stderr[:6], ended.stderr[-5:], len(ended.stdout)) == ("first\n", "last\n", 1000)


def test_a_program_that_is_not_there() -> None:
    ended = run(["/nowhere/ffmpeg"], PATIENT)
    assert (ended.ending, ended.describe()) == (Ending.MISSING, "ffmpeg cannot be started: No such file or directory")


def test_the_total_clock_kills_who_ignores_term() -> None:
    ended = run(["sh", "-c", DEAF], Limits(0.3, term_grace=0.2, kill_grace=5))
    assert (ended.ending, ended.returncode) == (Ending.EXPIRED, -signal.SIGKILL)


def test_the_stall_clock_runs_while_nothing_grows() -> None:
    script = "while :; do echo out_time_us=7000000; sleep 0.02; done"
    progress = FfmpegProgress()
    ended = run(["sh", "-c", script], Limits(30, stall=0.3, term_grace=0.5), receive=progress.receive)
    assert (ended.ending, progress.seconds) == (Ending.STALLED, 7)
    script = "i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo frame=$i; sleep 0.05; done"
    assert run(["sh", "-c", script], Limits(30, stall=0.8), receive=FfmpegProgress().receive).good


def test_a_file_that_is_written_is_progress_too(tmp_path: Path) -> None:
    output = tmp_path / "output"
    script = f"i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo x > {output}; sleep 0.05; done"
    assert run(["sh", "-c", script], Limits(30, stall=0.8), writes=output).good
    assert run(["sh", "-c", f"echo x > {output}; sleep 1000"], Limits(30, stall=0.3), writes=output).ending is Ending.STALLED


def test_a_stop_ends_it() -> None:
    stop = Stop()
    timer = threading.Timer(0.2, stop.request)
    timer.start()
    ended = run(["sleep", "1000"], PATIENT, stop=stop)
    timer.join()
    assert (ended.ending, ended.returncode) == (Ending.STOPPED, -signal.SIGTERM)
    assert run(["sleep", "1000"], PATIENT, stop=stop).ending is Ending.STOPPED


@pytest.mark.parametrize("script", ["sleep 1000 & echo $!", "(trap '' TERM; exec sleep 1000) & echo $!"])
def test_the_whole_group_goes(script: str) -> None:
    ended = run(["sh", "-c", script], PATIENT, keep=100)
    assert ended.good
    wait_until_gone(int(ended.stdout))


def test_a_killed_owner_takes_the_child_along(tmp_path: Path) -> None:
    owner = (
        "from tgbulk.stages.transcode.process import Limits, run\n"
        f"run(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 1000'], Limits(1000))"
    )
    process = subprocess.Popen([sys.executable, "-c", owner], cwd=Path(__file__).parents[3])
    path = tmp_path / "pid"
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    wait_until_gone(int(path.read_text()))


def test_it_stands_back_and_gets_no_terminal() -> None:
    script = "sleep 0.1; nice; readlink /proc/self/fd/0; cut -d' ' -f6 /proc/$$/stat; echo $$"
    ended = run(["sh", "-c", script], PATIENT, keep=999)
    nice, stdin, session, pid = ended.stdout.decode().split()
    assert (int(nice), stdin) == (min(19, os.nice(0) + 10), "/dev/null")
    assert session == pid


def test_its_files_have_a_limit(tmp_path: Path) -> None:
    script = f"sleep 0.1; exec head -c 100000 /dev/zero > {tmp_path}/file"
    ended = run(["sh", "-c", script], PATIENT, file_limit=5000)
    assert (ended.returncode, (tmp_path / "file").stat().st_size) == (-signal.SIGXFSZ, 5000)


def test_variables_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVA_DRIVER_NAME", "x")
    script = ["sh", "-c", "echo $LIBVA_DRIVER_NAME"]
    assert run(script, PATIENT, keep=9).stdout == b"x\n"
    assert run(script, PATIENT, keep=9, drop=["LIBVA_DRIVER_NAME"]).stdout == b"\n"


def test_progress_in_any_pieces() -> None:
    text = b"frame=1\nout_time_us=N/A\nspeed=N/A\nprogress=continue\n"
    text += b"frame=5\nout_time_us=2500000\nspeed=1.5x\nprogress=end\n"
    whole, pieces = FfmpegProgress(), FfmpegProgress()
    assert whole.receive(text)
    assert not whole.receive(text)
    assert [pieces.receive(text[i : i + 1]) for i in range(len(text))].count(True) == 3
    assert (whole.seconds, whole.speed) == (pieces.seconds, pieces.speed) == (2.5, 1.5)
    assert not whole.receive(b"x" * 10 * LINE_LIMIT)
    assert whole.receive(b"\nframe=6\n")
