from __future__ import annotations

import pytest

from tgbulk.stages.archive.video import VideoFailure
from tgbulk.stages.transcode.failure import REASON_LENGTH, classify, size_limit
from tgbulk.stages.transcode.process import Ended, Ending


def ended(stderr: str, returncode: int = 1, ending: Ending = Ending.EXITED) -> Ended:
    return Ended("ffmpeg", ending, returncode, b"", stderr, 1.0)


HARDWARE = {
    VideoFailure.DEVICE: [
        "[AVHWDeviceContext @ 0x55d1] Failed to initialise VAAPI connection: -1 (unknown libva error).",
        "[AVHWDeviceContext @ 0x55d1] No VA display found for device /dev/dri/renderD128.",
        "Device creation failed: -22.",
        "Device creation failed: -542398533.",
        "[AVHWDeviceContext @ 0x1] Cannot open a VA display from DRM device /dev/null.",
        "libva: /usr/lib/dri/i965_drv_video.so init failed",
        "libva error: /usr/lib/dri/i965_drv_video.so init failed",
        "No device available for decoder: device type vaapi needed for codec h264.",
        "ffmpeg: symbol lookup error: ffmpeg: undefined symbol: vaMapBuffer2",
        "[AVHWDeviceContext @ 0x1] libva: vaGetDriverNames() failed with unknown libva error",
        "Failed to set value 'vaapi=va:/dev/dri/renderD128' for option 'init_hw_device': Input/output error",
        "Device setup failed for decoder on input stream #0:0 : Input/output error",
    ],
    VideoFailure.ENCODER: [
        "[h264_vaapi @ 0x1] No usable encoding profile found.",
        "[h264_vaapi @ 0x1] No usable encoding entrypoint found for profile VAProfileH264High (7).",
        "[h264_vaapi @ 0x1] Driver does not support CQP RC mode (supported modes: VBR).",
        "[h264_vaapi @ 0x1] Driver does not support any RC mode compatible with selected options (supported modes: CQP)",
        "[h264_vaapi @ 0x1] Failed to create encode pipeline configuration: 12 (the requested VAProfile is not supported).",
        "[h264_vaapi @ 0x1] Failed to create encode pipeline context: 2 (resource allocation failed).",
        "[hwupload @ 0x1] A hardware device reference is required to upload frames to.",
        "[h264_vaapi @ 0x1] Encoding entrypoint not found (7 / 6).",
        "[h264_vaapi @ 0x1] Surface format not supported by hardware.",
    ],
    VideoFailure.SIZE: [
        "[h264_vaapi @ 0x1] Hardware does not support encoding at size 1080x2344 "
        "(constraints: width 256-4096 height 128-2304).",
        "[hevc @ 0x1] Hardware does not support image size 8192x4320 (constraints: width 16-4096 height 16-4096).",
    ],
    VideoFailure.HANG: ["[drm] GPU HANG: ecode 9:1:0xfffffffe", "amdgpu: ring vce0 timeout, signaled seq=2"],
    VideoFailure.RUNTIME: [
        "[h264_vaapi @ 0x1] Failed to end picture encode issue: 24 (internal encoding error).",
        "[AVHWFramesContext @ 0x1] Failed to upload frame: -5",
        "[h264_vaapi @ 0x1] Failed to sync to picture completion: 23 (internal decoding error).",
        "[h264_vaapi @ 0x1] Failed to map output buffers: 24 (internal encoding error).",
        "[h264_vaapi @ 0x1] Encode failed: -5.",
        "[h264 @ 0x1] Failed to end picture decode issue: 23 (internal decoding error).",
        "[h264 @ 0x1] hardware accelerator failed to decode picture",
        "[AVHWFramesContext @ 0x1] Failed to create surface: 2 (resource allocation failed).",
        "[h264_vaapi @ 0x1] Failed to begin picture encode issue: 1 (operation failed).",
        "[h264_vaapi @ 0x1] Output failed: -5.",
        "[AVHWFramesContext @ 0x1] Failed to transfer data to output frame: -5.",
        "[scale_vaapi @ 0x1] Failed to end picture issue: 1 (operation failed).",
        "[h264 @ 0x1] Failed setup for format vaapi: hwaccel initialisation returned error.",
        "amdgpu: The CS has been rejected (-125), see dmesg for more information.",
    ],
    VideoFailure.FILTER: [
        "Impossible to convert between the formats supported by the filter 'Parsed_null_0' and the filter 'auto_scale_0'",
        "[scale_vaapi @ 0x1] Failed to create processing pipeline config: 12 (the requested VAProfile is not supported).",
        "[scale_vaapi @ 0x1] Hardware does not support scaling to size 9000x9000 (constraints: width 16-8192).",
        "[vf#0:0 @ 0x1] Error reinitializing filters!",
    ],
}
OTHERS = {
    VideoFailure.INPUT: [
        "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] moov atom not found",
        "the file: Invalid data found when processing input",
        "Stream map '0:v:0' matches no streams.",
        "Error while opening decoder for input stream #0:0 : Invalid argument",
        "[h264 @ 0x1] Picture size 16384x16384 exceeds specified max pixel count 33177600",
        "[concat @ 0x1] Format not on whitelist 'mov,matroska'",
        "[https @ 0x1] Protocol 'https' not on whitelist 'file,pipe'!",
        "[in#0 @ 0x1] Error opening input: Invalid data found when processing input",
        "[dec:h264 @ 0x1] Error while opening decoder: Invalid data found when processing input",
    ],
    VideoFailure.SPACE: [
        "av_interleaved_write_frame(): No space left on device",
        "[out#0/mp4 @ 0x1] Error writing trailer: Disk quota exceeded",
    ],
    VideoFailure.MEMORY: ["Error while filtering: Cannot allocate memory", "terminate called ... std::bad_alloc"],
    VideoFailure.PERMISSION: ["the file: No such file or directory", "the file: Permission denied"],
    VideoFailure.TOOL: [
        "ffmpeg: error while loading shared libraries: libavdevice.so.59: cannot", "Unknown encoder 'libx264'",
    ],
}


@pytest.mark.parametrize(("failure", "line"), [(kind, line) for kind, lines in HARDWARE.items() for line in lines])
def test_what_the_gpu_did(failure: VideoFailure, line: str) -> None:
    found, reason = classify(ended(f"noise\n{line}\nConversion failed!\n"), hardware=True)
    assert found is failure
    assert reason
    assert reason in line
    assert "@" not in reason


@pytest.mark.parametrize(("failure", "line"), [(kind, line) for kind, lines in OTHERS.items() for line in lines])
@pytest.mark.parametrize("hardware", [False, True])
def test_what_the_file_or_the_machine_did(failure: VideoFailure, line: str, hardware: bool) -> None:
    assert classify(ended(f"noise\n{line}\nConversion failed!\n"), hardware)[0] is failure


def test_hardware_lines_come_before_the_files() -> None:
    both = "moov atom not found\nFailed to end picture decode issue: 23 (internal decoding error).\n"
    assert classify(ended(both), hardware=True)[0] is VideoFailure.RUNTIME
    assert classify(ended(both), hardware=False)[0] is VideoFailure.INPUT


@pytest.mark.parametrize("returncode", [-6, -11, -7])
def test_crashes(returncode: int) -> None:
    assert classify(ended("", returncode), hardware=True)[0] is VideoFailure.CRASH
    assert classify(ended("Failed to upload", returncode), hardware=True)[0] is VideoFailure.CRASH


def test_killed_by_the_system() -> None:
    failure, reason = classify(ended("frame=1\n", -9), hardware=False)
    assert (failure, reason) == (VideoFailure.MEMORY, "ffmpeg was ended by SIGKILL, as the system does when memory is short")


@pytest.mark.parametrize("end", ["\r\n", "\n\n", ""])
def test_ends_of_lines(end: str) -> None:
    failure, reason = classify(ended(f"noise{end or chr(10)}[h264_vaapi @ 0x1] Encode failed: -5.{end}"), hardware=True)
    assert (failure, reason) == (VideoFailure.RUNTIME, "Encode failed: -5.")


@pytest.mark.parametrize(
    ("ending", "failure"),
    [
        (Ending.STALLED, VideoFailure.HANG),
        (Ending.EXPIRED, VideoFailure.HANG),
        (Ending.STUCK, VideoFailure.HANG),
        (Ending.STOPPED, VideoFailure.STOPPED),
        (Ending.MISSING, VideoFailure.TOOL),
    ],
)
def test_endings(ending: Ending, failure: VideoFailure) -> None:
    assert classify(ended("Failed to upload", -15, ending), hardware=True)[0] is failure


@pytest.mark.parametrize(("returncode", "stderr"), [(1, ""), (234, "strange\n"), (251, "x" * 5000), (-1, "\x1b[31mred")])
def test_what_nobody_knows(returncode: int, stderr: str) -> None:
    failure, reason = classify(ended(stderr, returncode), hardware=True)
    assert failure is VideoFailure.UNKNOWN
    assert 0 < len(reason) <= REASON_LENGTH
    assert reason.isprintable()


def test_limits_of_size() -> None:
    assert size_limit(HARDWARE[VideoFailure.SIZE][0]) == (256, 4096, 128, 2304)
    assert size_limit("Hardware does not support encoding at size 1x1") is None
