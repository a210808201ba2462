"""The real process under the real supervisor: jobs in, results out, and every way to die."""
from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.standin import Standin
from support.video import Videos
from tgbulk.engine.channel import Channel, ChannelClosed, control_pair
from tgbulk.engine.supervisor import Child, Exited, Received, Supervisor
from tgbulk.stages.archive.video import TranscodeResult
from tgbulk.stages.protocol.event import Finish, Notice, Ready
from tgbulk.stages.protocol.transcode import Begun, TranscodeJob, TranscodeProgress, TranscodeSummary
from tgbulk.stages.run.attempt import EntryPoints
from tgbulk.stages.transcode.config import TranscodeConfig, TranscodeContext
from tgbulk.stages.transcode.ffmpeg import Tools

PATIENCE = 30.0


@dataclass
class Room:
    """A running transcode process, seen from fetch and from the supervisor."""

    supervisor: Supervisor
    child: Child
    jobs: Channel
    results: Channel
    #: jobs under way, as the process says
    begun: set[int] = field(default_factory=set)

    def until(self, kind: type[Any]) -> list[Any]:
        """What the process tells the supervisor, up to the first of that kind (Exited: to its end)."""
        told: list[Any] = []
        deadline = time.monotonic() + PATIENCE
        for event in self.supervisor.events():
            assert time.monotonic() < deadline, told
            if isinstance(event, Received):
                told.append(event.frame)
                if isinstance(event.frame, kind):
                    return told
            if isinstance(event, Exited):
                if kind is Exited:
                    return told
                raise AssertionError(told)
        raise AssertionError(told)

    def ask(self, number: int, source: Path, folder: Path, kind: str = "video") -> None:
        self.jobs.send(TranscodeJob(number, str(source), str(folder / f"{number}.mp4"), kind))

    def answer(self) -> TranscodeResult:
        """The next one; each job was said to be under way before."""
        while True:
            frame, _ = self.results.receive()
            if isinstance(frame, Begun):
                self.begun.add(frame.number)
                continue
            assert isinstance(frame, TranscodeResult)
            self.begun.remove(frame.number)
            return frame


@pytest.fixture
def rooms() -> Iterator[Any]:
    started: list[Room] = []
    with Supervisor(["tgbulk.stages.transcode.main"]) as supervisor:

        def start(config: TranscodeConfig) -> Room:
            jobs, their_jobs = control_pair()
            their_results, results = control_pair()
            child = supervisor.start("transcode", EntryPoints.transcode, TranscodeContext(config, their_jobs, their_results))
            their_jobs.close()
            their_results.close()
            started.append(Room(supervisor, child, jobs, results))
            return started[-1]

        yield start
        for room in started:
            room.jobs.close()
            room.results.close()


@pytest.fixture
def standin(videos: Videos, tools: Tools, tmp_path: Path) -> Standin:
    folder = tmp_path / "standin"
    folder.mkdir()
    standin = Standin(folder, tools.ffmpeg, videos("silent.mp4"), videos("silent.mp4"))
    standin.will(cpu="hang")
    return standin


def stuck(standin: Standin, kind: str = "cpu") -> int:
    """The stand-in's process id, once it hangs at that."""
    deadline = time.monotonic() + PATIENCE
    while kind not in standin.kinds:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and f"{standin.ffmpeg}\0".encode() in Path(f"/proc/{entry}/cmdline").read_bytes():
                return int(entry)
        except OSError:
            continue
    raise AssertionError("no process of the stand-in")


def ends(pid: int) -> bool:
    """Whether this process ends within PATIENCE; nobody may be there to wait for it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not os.path.exists(f"/proc/{pid}") or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.02)
    return False


def test_jobs_are_answered(rooms: Any, videos: Videos, tools: Tools, tmp_path: Path) -> None:
    room = rooms(TranscodeConfig(dri=tmp_path))
    names = ["plain.mp4", "plain.avi", "plain.mkv", "voice.ogg"]
    for number, name in enumerate(names):
        room.ask(number, videos(name), tmp_path)
    room.ask(9, tmp_path / "nowhere", tmp_path)
    results = {result.number: result for result in (room.answer() for _ in range(5))}
    assert [results[number].action for number in range(4)] == ["skip", "transcode", "remux", "leave"]
    assert [results[number].encoder for number in (0, 1, 2, 3, 9)] == ["", "libx264", "copy", "", ""]
    assert (results[9].outcome, results[9].reason) == ("failed", "the original is not there")
    room.jobs.close()
    told = [frame for frame in room.until(Exited) if not isinstance(frame, TranscodeProgress)]  # of a second or more
    assert (room.child.status, [type(frame) for frame in told]) == (0, [Notice, Ready, TranscodeSummary])
    assert told[0].text == f"videos are encoded on the CPU: there is no render node in {tmp_path}"
    assert (told[2].outcomes, told[2].encoders) == ({"kept": 2, "done": 2, "failed": 1}, {"libx264": 1, "copy": 1})
    with pytest.raises(ChannelClosed):
        room.answer()
    assert room.begun == set()


def test_progress_is_told(rooms: Any, standin: Standin, videos: Videos, tmp_path: Path) -> None:
    standin.will(cpu="slow")
    room = rooms(TranscodeConfig(ffmpeg=str(standin.ffmpeg), force_cpu=True))
    room.ask(1, videos("silent.mkv"), tmp_path)
    progress = room.until(TranscodeProgress)[-1]
    assert (progress.number, progress.encoder, progress.done) == (1, "libx264", 0)
    room.child.control.send(Finish())
    stopped = room.answer()
    assert (stopped.outcome, stopped.failure) == ("stopped", "stopped")
    room.until(Exited)
    assert list(tmp_path.glob("1.*")) == []


def test_a_stop_in_the_middle(rooms: Any, standin: Standin, videos: Videos, tmp_path: Path) -> None:
    room = rooms(TranscodeConfig(ffmpeg=str(standin.ffmpeg), force_cpu=True, term_grace=0.3))
    room.ask(1, videos("silent.mkv"), tmp_path)
    room.ask(2, videos("mpeg4.mp4"), tmp_path)
    pid = stuck(standin)
    room.child.control.send(Finish())
    assert {room.answer().outcome for _ in range(2)} == {"stopped"}
    told = room.until(Exited)
    assert room.child.status == 0
    assert told[-1].outcomes == {"stopped": 2}
    assert ends(pid)


def test_a_killed_transcode_process_leaves_no_ffmpeg(rooms: Any, standin: Standin, videos: Videos, tmp_path: Path) -> None:
    room = rooms(TranscodeConfig(ffmpeg=str(standin.ffmpeg), force_cpu=True))
    room.ask(1, videos("silent.mkv"), tmp_path)
    room.until(Ready)
    pid = stuck(standin)
    os.kill(room.child.pid, signal.SIGKILL)
    room.until(Exited)
    assert ends(pid)
    with pytest.raises(ChannelClosed):
        room.answer()
    assert room.begun == {1}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, of whatever starts from now on."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_killed_while_it_looks_for_a_gpu(temporary: Path, rooms: Any, standin: Standin, tmp_path: Path) -> None:
    """Nothing is left of the trial."""
    (tmp_path / "renderD128").touch()
    standin.will(trial="hang")
    room = rooms(TranscodeConfig(ffmpeg=str(standin.ffmpeg), dri=tmp_path))
    pid = stuck(standin, "trial")
    next(event for event in room.supervisor.events() if room.child.pid)
    os.kill(room.child.pid, signal.SIGKILL)
    room.until(Exited)
    assert ends(pid)
    assert list(temporary.iterdir()) == []


def test_a_supervisor_that_is_gone_leaves_no_ffmpeg(standin: Standin, videos: Videos, tmp_path: Path) -> None:
    jobs, their_jobs = control_pair()
    their_results, results = control_pair()
    with Supervisor(["tgbulk.stages.transcode.main"]) as supervisor:
        config = TranscodeConfig(ffmpeg=str(standin.ffmpeg), force_cpu=True)
        supervisor.start("transcode", EntryPoints.transcode, TranscodeContext(config, their_jobs, their_results))
        jobs.send(TranscodeJob(1, str(videos("silent.mkv")), str(tmp_path / "1.mp4"), "video"))
        pid = stuck(standin)
    assert ends(pid)
    for channel in (jobs, their_jobs, results, their_results):
        channel.close()


def test_fetch_that_is_gone_ends_it(rooms: Any, videos: Videos, tools: Tools, tmp_path: Path) -> None:
    room = rooms(TranscodeConfig(force_cpu=True))
    room.results.close()
    room.ask(1, videos("plain.mp4"), tmp_path)
    room.until(Exited)
    assert room.child.status == 0
