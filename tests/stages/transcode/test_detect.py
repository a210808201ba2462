"""Real ffmpeg and vainfo on a GPU that is a library of ours."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_gpu import DECODE_ONLY, LOW_POWER, FakeGpu
from support.video import Videos
from tgbulk.stages.archive.video import TranscodeResult
from tgbulk.stages.protocol.transcode import TranscodeJob
from tgbulk.stages.transcode.capability import GpuStatus, SizeLimit, VaapiCapabilities
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.detection import detect, search
from tgbulk.stages.transcode.failure import Breaker
from tgbulk.stages.transcode.ffmpeg import Tools
from tgbulk.stages.transcode.main import describe
from tgbulk.stages.transcode.process import Stop
from tgbulk.stages.transcode.transcoder import Transcoder


@pytest.fixture
def config(gpu: FakeGpu) -> TranscodeConfig:
    return TranscodeConfig(dri=gpu.dri, term_grace=0.1)


def work(tools: Tools, config: TranscodeConfig, found: VaapiCapabilities, source: Path, folder: Path) -> TranscodeResult:
    told: list[object] = []
    transcoder = Transcoder(config, tools, Breaker(found, config.hardware_decode), Stop(), told.append)
    return transcoder.handle(TranscodeJob(1, str(source), str(folder / "video.mp4"), "video"))


def test_a_gpu_is_found_and_encodes(
    gpu: FakeGpu, tools: Tools, config: TranscodeConfig, videos: Videos, tmp_path: Path
) -> None:
    found = search(config, tools)
    assert found.usable
    assert (found.node, found.driver, found.encoders) == (str(gpu.node), "Fake VA-API driver - 1.0", ("h264",))
    assert (found.rate, found.low_power, found.size) == ("CQP", False, SizeLimit(32, 4096, 32, 4096))
    assert found.rate_modes == ("CQP", "CBR", "VBR")
    line = f"videos are encoded by h264_vaapi on {gpu.node} (Fake VA-API driver - 1.0): "
    assert describe(found, tools) == line + "a trial encode passed (CQP rate control)"
    result = work(tools, config, found, videos("plain.avi"), tmp_path)
    assert (result.outcome, result.encoder, result.attempts) == ("done", "h264_vaapi", 1)
    upright = work(tools, config, found, videos.turned(), tmp_path)
    assert (upright.outcome, upright.encoder, upright.attempts) == ("done", "h264_vaapi", 1)


@pytest.mark.parametrize("name", ["plain.avi", "ten.mp4", "hdr.mkv", "opus.mkv"])
def test_the_same_videos_as_on_the_cpu(
    gpu: FakeGpu, tools: Tools, config: TranscodeConfig, videos: Videos, tmp_path: Path, name: str
) -> None:
    found = VaapiCapabilities(GpuStatus.AVAILABLE, node=str(gpu.node), rate="CQP", size=SizeLimit(32, 4096, 32, 4096))
    result = work(tools, config, found, videos(name, size="161x121") if name == "plain.avi" else videos(name), tmp_path)
    assert (result.outcome, result.attempts) == ("done", 1)
    assert result.encoder == ("copy" if name == "opus.mkv" else "h264_vaapi")


def test_only_cqp(gpu: FakeGpu, tools: Tools, config: TranscodeConfig) -> None:
    gpu.set(FAKEVA_RC="16")
    found = search(config, tools)
    assert (found.usable, found.rate, found.rate_modes) == (True, "CQP", ("CQP",))


def test_only_low_power(gpu: FakeGpu, tools: Tools, config: TranscodeConfig) -> None:
    gpu.table("Intel iHD driver for Intel(R) Gen Graphics - 20.1.1 ()", LOW_POWER)
    found = search(config, tools)
    assert (found.usable, found.low_power_only, found.low_power) == (True, True, False)
    assert (found.driver_name, found.vendor) == ("iHD", "intel") if tools.vainfo else ("", "")


@pytest.mark.parametrize(
    ("variables", "status", "error_class", "reason"),
    [
        ({"FAKEVA_INIT_FAIL": "1"}, GpuStatus.ERROR, "device", "init failed"),
        ({"FAKEVA_FAIL_CONTEXT": "1"}, GpuStatus.NO_ENCODER, "encoder", "Failed to create encode pipeline context"),
        ({"FAKEVA_FAIL_AT": "3"}, GpuStatus.NO_ENCODER, "runtime", "Failed to end picture encode issue"),
        ({"FAKEVA_HANG_AT": "3"}, GpuStatus.NO_ENCODER, "hang", "ffmpeg was stopped after"),
        ({"FAKEVA_CRASH_AT": "3"}, GpuStatus.NO_ENCODER, "crash", "ffmpeg was ended by SIGABRT"),
        ({"FAKEVA_BLACK": "1"}, GpuStatus.NO_ENCODER, "runtime", "the trial's output is black"),
        ({"FAKEVA_SIZE": "1024 4096 1024 4096"}, GpuStatus.NO_ENCODER, "size", "Hardware does not support encoding at size"),
    ],
)
def test_a_gpu_that_does_not_work(
    gpu: FakeGpu, tools: Tools, config: TranscodeConfig,
    variables: dict[str, str], status: GpuStatus, error_class: str, reason: str,
) -> None:  # fmt: skip
    gpu.set(**variables)
    found = search(replace(config, trial=1.0) if "FAKEVA_HANG_AT" in variables else config, tools)
    assert (found.status, found.error_class, found.encoders) == (status, error_class, ())
    assert reason in found.reason
    assert describe(found, tools) == f"videos are encoded on the CPU: {found.reason} ({gpu.node})"


def test_a_gpu_that_only_decodes(gpu: FakeGpu, tools: Tools, config: TranscodeConfig) -> None:
    gpu.table("VA-API NVDEC driver [direct backend]", DECODE_ONLY)
    found = search(config, tools)
    assert (found.status, found.error_class) == (GpuStatus.NO_ENCODER, "encoder")
    assert "No usable encoding entrypoint found" in found.reason


@pytest.mark.parametrize(
    ("variables", "failure"),
    [
        ({"FAKEVA_FAIL_AT": "4"}, "Failed to end picture encode issue: 24 (internal encoding error)."),
        ({"FAKEVA_HANG_AT": "4"}, "ffmpeg made no progress and was stopped after"),
        ({"FAKEVA_CRASH_AT": "4"}, "ffmpeg was ended by SIGABRT"),
    ],
)
def test_a_gpu_that_fails_in_the_middle_of_a_video(
    gpu: FakeGpu, tools: Tools, config: TranscodeConfig, videos: Videos, tmp_path: Path,
    variables: dict[str, str], failure: str,
) -> None:  # fmt: skip
    found = search(config, tools)
    gpu.set(**variables)
    if "FAKEVA_HANG_AT" in variables:
        config = replace(config, stall=0.8)
    result = work(tools, config, found, videos("plain.avi"), tmp_path)
    assert (result.outcome, result.encoder, result.attempts) == ("done", "libx264", 2)
    assert result.reason.startswith(f"is in mpeg4; h264_vaapi failed: {failure}")


def test_a_broken_hardware_decoder(
    gpu: FakeGpu, tools: Tools, config: TranscodeConfig, videos: Videos, tmp_path: Path
) -> None:
    """The driver offers to decode H.264 and then fails at each picture."""
    config = replace(config, hardware_decode=True, height=80)
    found = replace(search(config, tools), decoders=("h264",))
    result = work(tools, config, found, videos("silent.mp4", "-crf", "1", size="320x240"), tmp_path)
    assert (result.encoder, result.attempts) == ("h264_vaapi", 2)
    failure = "h264_vaapi with hardware decoding failed: Failed to end picture decode issue: 23 (internal decoding error)."
    assert result.reason.startswith(f"is 320x240, larger than 80; {failure}")


def test_of_two_nodes_the_one_that_works(gpu: FakeGpu, tools: Tools, config: TranscodeConfig) -> None:
    gpu.node.unlink()
    gpu.node.symlink_to("nowhere")
    second = gpu.add("renderD129")
    found = search(config, tools)
    assert (found.usable, found.node) == (True, str(second))
    assert [one.error_class for one in detect(config, tools)] == ["no_device", ""]
    named = search(replace(config, device=gpu.node), tools)
    assert (named.status, named.reason) == (GpuStatus.ERROR, "there is no such device (ENOENT)")


def test_a_driver_name_that_is_wrong_is_left_out(gpu: FakeGpu, tools: Tools, config: TranscodeConfig) -> None:
    gpu.set(LIBVA_DRIVER_NAME="i965")
    found = search(config, tools)
    assert (found.usable, found.ignored) == (True, ("LIBVA_DRIVER_NAME",))
    assert found.reason.endswith("without LIBVA_DRIVER_NAME=i965, with which it fails")


def test_without_a_gpu(tools: Tools, tmp_path: Path) -> None:
    found = search(TranscodeConfig(dri=tmp_path), tools)
    assert (found.status, found.reason) == (GpuStatus.NO_DEVICE, f"there is no render node in {tmp_path}")
    assert describe(found, tools) == f"videos are encoded on the CPU: {found.reason}"


def test_forced_to_the_cpu(gpu: FakeGpu, tools: Tools, config: TranscodeConfig) -> None:
    gpu.set(FAKEVA_HANG_AT="1")
    found = search(replace(config, force_cpu=True), tools)
    assert describe(found, tools) == "videos are encoded on the CPU: FORCE_CPU_TRANSCODE is set"


def test_an_ffmpeg_without_va_api(gpu: FakeGpu, tools: Tools, config: TranscodeConfig) -> None:
    found = search(config, replace(tools, encoders=frozenset({"libx264"})))
    assert (found.status, found.reason) == (GpuStatus.NO_FFMPEG, f"{tools.ffmpeg} was built without h264_vaapi")
    assert describe(search(config, Tools(problem="gone")), Tools(problem="gone")) == "videos stay as they are: gone"
