"""What happens when ffmpeg, the GPU or the disk fail, with a stand-in for ffmpeg."""
from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from support.standin import Standin
from support.video import Videos
from tgbulk.stages.archive.video import TranscodeResult
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.protocol.transcode import TranscodeJob
from tgbulk.stages.transcode.capability import GpuStatus, SizeLimit, VaapiCapabilities
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.detection import search
from tgbulk.stages.transcode.failure import Breaker
from tgbulk.stages.transcode.ffmpeg import Tools, find_tools
from tgbulk.stages.transcode.process import Stop
from tgbulk.stages.transcode.transcoder import Transcoder

PIPELINE = "Failed to end picture encode issue: 24 (internal encoding error)."
DEVICE = "Failed to initialise VAAPI connection: -1 (unknown libva error)."
LARGE = SizeLimit(16, 4096, 16, 4096)
GPU = VaapiCapabilities(GpuStatus.AVAILABLE, "", node="/dev/dri/renderD128", rate="CQP", decoders=("mpeg4",), size=LARGE)


class Bench:
    """One transcode process's inside, with a GPU that the stand-in has."""

    def __init__(self, tools: Tools, config: TranscodeConfig, source: Path, target: Path) -> None:
        self._tools, self._config, self.source, self._target = tools, config, source, target
        self.start()

    def start(self, found: VaapiCapabilities = GPU, decode: bool = False, **config: float) -> None:
        self.told: list[object] = []
        self.breaker = Breaker(found, decode)
        config_now = replace(self._config, **config)  # type: ignore[arg-type]
        self.transcoder = Transcoder(config_now, self._tools, self.breaker, Stop(), self.told.append)

    def __call__(self) -> TranscodeResult:
        """One job, its output taken away again."""
        result = self.transcoder.handle(TranscodeJob(1, str(self.source), str(self._target), "video"))
        assert self.source.exists()
        if result.outcome != "done":
            assert list(self._target.parent.iterdir()) == []
        self._target.unlink(missing_ok=True)
        return result

    @property
    def notices(self) -> list[str]:
        return [frame.text for frame in self.told if isinstance(frame, Notice)]


@pytest.fixture
def standin(videos: Videos, tools: Tools, tmp_path: Path) -> Standin:
    folder = tmp_path / "standin"
    folder.mkdir()
    return Standin(folder, tools.ffmpeg, videos("silent.mp4"), videos("silent.mp4", seconds=0.3))


@pytest.fixture
def config(standin: Standin, tools: Tools, tmp_path: Path) -> TranscodeConfig:
    dri = tmp_path / "dri"
    dri.mkdir()
    (dri / "renderD128").touch()
    return TranscodeConfig(ffmpeg=str(standin.ffmpeg), ffprobe=tools.ffprobe or None, dri=dri, term_grace=0.1)


@pytest.fixture
def bench(config: TranscodeConfig, videos: Videos, tmp_path: Path) -> Bench:
    (tmp_path / "out").mkdir()
    return Bench(replace(find_tools(config), vainfo=""), config, videos("silent.mkv"), tmp_path / "out" / "video.mp4")


def test_the_gpu_is_found_and_used(standin: Standin, config: TranscodeConfig, bench: Bench) -> None:
    standin.will(tiny="say:Hardware does not support encoding at size 16x16 (constraints: width 64-4096 height 32-2304).")
    found = search(config, replace(find_tools(config), vainfo=""))
    assert (found.status, found.rate, found.size) == (GpuStatus.AVAILABLE, "CQP", SizeLimit(64, 4096, 32, 2304))
    bench.start(found)
    result = bench()
    assert (result.outcome, result.encoder, result.attempts) == ("done", "h264_vaapi", 1)
    assert standin.kinds == ["trial", "tiny", "hardware"]


@pytest.mark.parametrize(
    ("steps", "low_power", "rate", "kinds"),
    [
        (["say:Driver does not support CQP RC mode", "ok"], True, "CQP", 2),
        (["say:No usable encoding entrypoint found for profile VAProfileH264High (7).", "say:x", "ok"], False, "", 3),
    ],
)
def test_the_ladder_of_a_node(
    standin: Standin, config: TranscodeConfig, steps: list[str], low_power: bool, rate: str, kinds: int
) -> None:
    standin.will(trial=steps)
    found = search(config, replace(find_tools(config), vainfo=""))
    assert (found.usable, found.low_power, found.rate) == (True, low_power, rate)
    assert standin.kinds == ["trial"] * kinds + ["tiny"]


@pytest.mark.parametrize(
    ("what", "status", "failure", "trials"),
    [
        (f"say:{DEVICE}", GpuStatus.ERROR, "device", 1),
        (f"say:{PIPELINE}", GpuStatus.NO_ENCODER, "runtime", 3),
        ("hang", GpuStatus.NO_ENCODER, "hang", 1),
        ("abort", GpuStatus.NO_ENCODER, "crash", 1),
    ],
)
def test_a_trial_that_fails(
    standin: Standin, config: TranscodeConfig, what: str, status: GpuStatus, failure: str, trials: int
) -> None:
    standin.will(trial=what)
    config = replace(config, trial=0.6 if what == "hang" else config.trial)
    found = search(config, replace(find_tools(config), vainfo=""))
    assert (found.status, found.error_class, len(standin.kinds)) == (status, failure, trials)


@pytest.mark.parametrize(
    ("what", "failure"),
    [
        (f"half:{PIPELINE}", PIPELINE),
        ("abort", "ffmpeg was ended by SIGABRT"),
        ("hang", "ffmpeg made no progress and was stopped after "),
        ("empty", "ffmpeg made no output"),
        ("nothing", "ffmpeg made no output"),
        ("short", "the source is damaged: 0.3 s of 1.0 s could be read"),
    ],
)
def test_the_cpu_takes_over(standin: Standin, bench: Bench, what: str, failure: str) -> None:
    standin.will(hardware=what)
    if what == "hang":
        bench.start(stall=0.4)
    result = bench()
    assert (result.outcome, result.encoder, result.attempts) == ("done", "libx264", 2)
    assert result.reason.startswith(f"is in mpeg4; h264_vaapi failed: {failure}")


@pytest.mark.parametrize("what", [f"say:{DEVICE}", "abort", "hang"])
def test_one_of_these_ends_the_use_of_the_gpu(standin: Standin, bench: Bench, what: str) -> None:
    standin.will(hardware=what)
    if what == "hang":
        bench.start(stall=0.4)
    assert [bench().attempts for _ in range(3)] == [2, 1, 1]
    assert standin.kinds == ["hardware", "cpu", "cpu", "cpu"]
    assert len(bench.notices) == 1
    assert bench.notices[0].startswith("videos are encoded on the CPU from now on: ")
    assert sum(bench.breaker.failures.values()) == 1


def test_three_others_in_a_row_do(standin: Standin, bench: Bench) -> None:
    failure = f"say:{PIPELINE}"
    standin.will(hardware=[failure, failure, "ok", failure, failure, failure])
    assert [bench().encoder for _ in range(7)] == ["libx264"] * 2 + ["h264_vaapi"] + ["libx264"] * 4
    assert standin.kinds.count("hardware") == 6
    assert bench.breaker.failures == {"runtime": 5}
    assert bench.breaker.reason == PIPELINE


@pytest.mark.parametrize("text", ["nobody knows", "moov atom not found", "Unknown encoder 'h264_vaapi'"])
def test_whatever_it_says_the_gpu_failed_where_the_cpu_did_not(standin: Standin, bench: Bench, text: str) -> None:
    standin.will(hardware=f"say:{text}")
    assert [bench().encoder for _ in range(5)] == ["libx264"] * 5
    assert standin.kinds.count("hardware") == 3
    assert bench.notices == [f"videos are encoded on the CPU from now on: {text}"]


def test_a_file_that_fails_everywhere_is_not_the_gpus_fault(standin: Standin, bench: Bench) -> None:
    standin.will(hardware="abort", cpu="abort")
    results = [bench() for _ in range(3)]
    assert {(result.outcome, result.failure, result.attempts) for result in results} == {("failed", "crash", 2)}
    assert bench.notices == []


def test_hardware_decoding_is_given_up_alone(standin: Standin, bench: Bench) -> None:
    standin.will(decode="say:Failed to end picture decode issue: 23 (internal decoding error).")
    bench.start(decode=True)
    assert [bench().encoder for _ in range(4)] == ["h264_vaapi"] * 4
    assert standin.kinds == ["decode", "hardware"] * 3 + ["hardware"]
    assert bench.notices == [
        "the GPU does not decode any more in this run: Failed to end picture decode issue: 23 (internal decoding error)."
    ]


def test_an_index_that_takes_long_to_move_is_no_hang(standin: Standin, bench: Bench) -> None:
    """After the last frame ffmpeg writes the whole output once more and reports nothing."""
    standin.will(hardware="index")
    bench.start(stall=0.8)
    assert (bench().outcome, standin.kinds) == ("done", ["hardware"])


def test_sizes_that_the_gpu_refuses_are_remembered(standin: Standin, bench: Bench) -> None:
    standin.will(
        hardware="say:Hardware does not support encoding at size 128x96 (constraints: width 256-4096 height 128-2304)."
    )
    assert [bench().encoder for _ in range(4)] == ["libx264"] * 4
    assert standin.kinds == ["hardware", "cpu", "cpu", "cpu", "cpu"]
    assert bench.notices == []


@pytest.mark.parametrize(
    ("what", "failure", "kinds"),
    [
        ("full:av_interleaved_write_frame(): No space left on device", "space", ["hardware"]),
        ("say:moov atom not found", "input", ["hardware", "cpu"]),
        ("hang", "hang", ["hardware", "cpu"]),
        ("flood", "", ["hardware"]),
        ("say:" + "y" * 5000, "unknown", ["hardware", "cpu"]),
    ],
)
def test_both_fail(standin: Standin, bench: Bench, what: str, failure: str, kinds: list[str]) -> None:
    standin.will(hardware=what, cpu=what)
    if what == "hang":
        bench.start(stall=1.5, cpu_stall=1.5)  # long enough for the stand-in to say that it was started
    result = bench()
    assert (result.outcome, result.failure) == ("failed" if failure else "done", failure)
    assert standin.kinds == kinds
    assert len(result.reason) < 500


def test_a_remux_that_fails_becomes_a_transcode(standin: Standin, bench: Bench, videos: Videos) -> None:
    bench.source = videos("silent.mp4", "-movflags", "0")
    standin.will(copy="say:Can't write packet with unknown timestamp")
    result = bench()
    assert standin.kinds == ["copy", "hardware"]
    assert result.reason.startswith("has its index at the end; copy failed: Can't write packet with unknown timestamp")
    assert result.action == "discard"  # the stand-in's video is as large as the original


def test_what_ffmpeg_leaves_behind_goes_with_it(standin: Standin, bench: Bench) -> None:
    standin.will(hardware="child")
    assert bench().outcome == "done"
    pid = int((standin.folder / "child").read_text())
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
