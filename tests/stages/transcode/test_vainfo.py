from __future__ import annotations

import json
from pathlib import Path

import pytest

from tgbulk.stages.transcode.capability import GpuStatus, read_vainfo

OUTPUTS = sorted((Path(__file__).parent / "vainfo").glob("*.txt"))
START = (
    "vainfo: VA-API version: 1.17 (libva 2.12.0)\nvainfo: Driver version: {}\nvainfo: Supported profile and entrypoints\n"
)
ENCODE = "      VAProfileH264Main               :\tVAEntrypointEncSlice\n"


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.stem)
def test_real_outputs(path: Path) -> None:
    wanted = json.loads(path.with_suffix(".json").read_text())
    read = read_vainfo(path.read_text().partition("\n")[2], wanted["returncode"])
    assert {
        "status": read.status,
        "driver": read.driver or None,
        "driver_name": read.driver_name or None,
        "vendor": read.vendor or None,
        "h264_encode": "h264" in read.encoders,
        "h264_low_power_only": read.low_power_only,
        "hevc_encode": "hevc" in read.encoders,
        "h264_decode": "h264" in read.decoders,
        "hevc_decode": "hevc" in read.decoders,
        "av1_encode": "av1" in read.encoders,
        "vp9_decode": "vp9" in read.decoders,
        "partial": read.partial,
        "error_class": read.error_class or None,
    } == {name: value for name, value in wanted.items() if name not in ("returncode", "source", "notes")}
    assert list(read.encoders) == sorted(set(read.encoders))


@pytest.mark.parametrize(
    ("output", "returncode", "error_class"),
    [
        (
            "error: XDG_RUNTIME_DIR is invalid or not set in the environment.\nerror: can't connect to X server!\n"
            "error: failed to initialize display\n",
            1,
            "no_display",
        ),
        ("Failed to open the given device!\n", 1, "no_device"),
        ("Failed to a DRM display for the given device\n", 1, "no_drm"),
        (
            "libva error: vaGetDriverNameByIndex() failed with unknown libva error, driver_name = (null)\n"
            "vaInitialize failed with error code -1 (unknown libva error),exit\n",
            3,
            "no_driver",
        ),
        ("libva error: /x/fake_drv_video.so has no function __vaDriverInit_1_0\nvaInitialize failed\n", 3, "no_driver"),
        (
            "libva info: Trying to open /x/iHD_drv_video.so\nlibva error: /x/iHD_drv_video.so init failed\n"
            "libva info: va_openDriver() returns 1\nvaInitialize failed with error code 1 (operation failed),exit\n",
            3,
            "init_failed",
        ),
        ("libva info: va_openDriver() returns 2\nvaInitialize failed with error code 2,exit\n", 3, "init_failed"),
        (
            "libva info: Trying to open /x/iHD_drv_video.so\nlibva error: /x/iHD_drv_video.so init failed\n"
            "libva info: va_openDriver() returns 1\nlibva info: Trying to open /x/i965_drv_video.so\n"
            "libva info: va_openDriver() returns -1\nvaInitialize failed with error code -1 (unknown libva error),exit\n",
            3,
            "init_failed",
        ),
        (
            "libva error: dlopen of /x/nvidia_drv_video.so failed: libEGL.so.1: cannot open shared object file\n"
            "libva info: va_openDriver() returns -1\nvaInitialize failed with error code -1 (unknown libva error),exit\n",
            3,
            "no_driver",
        ),
        (
            "libva info: va_getDriverName() returns -1\n"
            "libva error: va_getDriverName() failed with unknown libva error,driver_name=(null)\n"
            "vaInitialize failed with error code -1 (unknown libva error),exit\n",
            3,
            "no_driver",
        ),
        ("libva error: vaGetDriverNames() failed with unknown libva error\nvaInitialize failed\n", 3, "no_driver"),
        ("libva error: Failed to open X: Permission denied\nvaInitialize failed with error code 3\n", 3, "permission"),
        ("vainfo: intel_driver.c:113: intel_driver_init: Assertion `x' failed.\n", 134, "crash"),
        ("", 139, "crash"),
        ("vainfo: Fehler beim Laden der gemeinsam genutzten Bibliotheken: libva.so.2\n", 127, "broken"),
        ("vainfo: error while loading shared libraries: libva.so.2: cannot open shared object file\n", 127, "broken"),
        ("", -11, "crash"),
        ("", 0, "unknown"),
        ("who knows\n", 1, "unknown"),
    ],
)
def test_failures(output: str, returncode: int, error_class: str) -> None:
    read = read_vainfo(output, returncode)
    assert (read.status, read.error_class) == (GpuStatus.ERROR, error_class)
    assert read.reason
    assert (read.encoders, read.decoders, read.driver) == ((), (), "")


def test_errors_before_a_success_are_none() -> None:
    before = "error: can't connect to X server!\nlibva info: Trying to open /x/iHD_drv_video.so\n"
    before += "libva error: /x/iHD_drv_video.so init failed\nlibva info: va_openDriver() returns 1\n"
    before += "libva info: Trying to open /x/i965_drv_video.so\nlibva info: va_openDriver() returns 0\n"
    read = read_vainfo(before + START.format("Something else 1.0") + ENCODE * 3)
    assert (read.status, read.encoders, read.driver_name) == (GpuStatus.AVAILABLE, ("h264",), "i965")


def test_an_empty_list_is_a_driver_without_encoder() -> None:
    read = read_vainfo(START.format("Mesa Gallium driver 23.1 for AMD Radeon"))
    assert (read.status, read.vendor, read.driver_name, read.partial) == (GpuStatus.NO_ENCODER, "amd", "radeonsi", False)


@pytest.mark.parametrize("profile", ["H264StereoHigh", "H264MultiviewHigh", "H264High10", "HEVCMain", "None"])
def test_other_profiles_are_not_h264(profile: str) -> None:
    read = read_vainfo(START.format("Intel iHD driver") + f"      VAProfile{profile}  :\tVAEntrypointEncSlice\n")
    assert (read.status, "h264" in read.encoders) == (GpuStatus.NO_ENCODER, False)


@pytest.mark.parametrize("cut", ["      VAProfileH264Hi", "      VAProfileH264High               :\tVAEntry", ""])
def test_a_list_that_was_cut(cut: str) -> None:
    whole = START.format("Intel iHD driver") + ENCODE
    assert not read_vainfo(whole).partial
    read = read_vainfo(whole + cut if cut else ENCODE)
    assert (read.partial, read.status) == (True, GpuStatus.AVAILABLE)


@pytest.mark.parametrize(
    ("driver", "name", "vendor"),
    [
        ("Intel i965 driver for Intel(R) Haswell Desktop - 2.4.1", "i965", "intel"),
        ("Mesa Gallium driver 21.2.6 for AMD ARUBA (DRM 2.50.0 / 5.15.0, LLVM 12.0.0)", "r600", "amd"),
        ("Mesa Gallium driver 20.3.5 for NVE7", "nouveau", "nvidia"),
        ("Mesa Gallium driver 23.0.0 for virgl (AMD Radeon Graphics)", "virtio_gpu", "amd"),
        ("Mesa Gallium driver 23.0.0 for D3D12 (NVIDIA GeForce RTX 3060)", "d3d12", "nvidia"),
        ("Mesa Gallium driver 23.2.1 for D3D12 (Microsoft Basic Render Driver)", "d3d12", ""),
        ("Mesa Gallium driver 25.0 for Virtio-GPU Venus (Intel(R) UHD Graphics)", "virtio_gpu", "intel"),
        ("Mesa Gallium driver 24.3 for zink Vulkan 1.3(AMD Radeon RX 6700 (RADV NAVI22))", "zink", "amd"),
        ("Mesa Gallium driver 24.2.8 for NV137", "nouveau", "nvidia"),
        ("VA-API NVDEC driver [egl backend]", "nvidia", "nvidia"),
        ("Intel iHD driver - 1.0.0", "iHD", "intel"),
        ("v4l2", "", ""),
        ("Splitted-Desktop Systems VDPAU backend for VA-API - 0.7.4", "vdpau", "nvidia"),
        ("<NULL>", "", ""),
    ],
)
def test_names_of_drivers(driver: str, name: str, vendor: str) -> None:
    read = read_vainfo(START.format(driver) + ENCODE)
    assert (read.driver_name, read.vendor) == (name, vendor)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_ends_of_lines(end: str, last: bool) -> None:
    output = (START.format("Intel iHD driver") + ENCODE).replace("\n", end)
    read = read_vainfo(output if last else output.rstrip())
    assert (read.status, read.driver, read.partial) == (GpuStatus.AVAILABLE, "Intel iHD driver", False)


def test_the_list_of_attributes() -> None:
    """`vainfo --all` has a slash within the pairs, and more below them."""
    attribute = "    VAConfigAttribRTFormat                 : VA_RT_FORMAT_YUV420\n\n"
    pairs = "".join(f"VAProfileH264High/VAEntrypoint{entry}\n{attribute}" for entry in ("VLD", "EncSliceLP"))
    header = START.replace("profile and entrypoints", "config attributes per profile/entrypoint pair")
    read = read_vainfo(header.format("Intel iHD driver") + pairs)
    assert (read.status, read.encoders, read.decoders) == (GpuStatus.AVAILABLE, ("h264",), ("h264",))
    assert (read.low_power_only, read.partial) == (True, False)


def test_other_codecs() -> None:
    pairs = ["AV1Profile0:EncSliceLP", "VP9Profile2:EncSliceLP", "HEVCMain10:EncSlice", "JPEGBaseline:EncPicture",
             "H264High:EncPicture", "VVCMain10:VLD"]  # fmt: skip
    lines = (f"VAProfile{pair}\n".replace(":", ": VAEntrypoint") for pair in pairs)
    read = read_vainfo(START.format("Intel iHD driver") + "".join(lines))
    assert (read.status, read.low_power_only) == (GpuStatus.NO_ENCODER, False)
    assert (read.encoders, read.decoders) == (("av1", "hevc", "mjpeg", "vp9"), ("vvc",))


def test_a_crash_behind_the_list_is_no_error() -> None:
    read = read_vainfo(START.format("VA-API NVDEC driver [egl backend]") + "  VAProfileH264Main: VAEntrypointVLD\n", -11)
    assert (read.status, read.driver_name, read.decoders, read.partial) == (GpuStatus.NO_ENCODER, "nvidia", ("h264",), False)


def test_a_profile_that_vainfo_does_not_know() -> None:
    read = read_vainfo(START.format("Intel iHD driver") + ENCODE + "      VAProfileHEVCMain12 : <unknown entrypoint>\n")
    assert (read.status, read.partial) == (GpuStatus.AVAILABLE, False)


def test_cut_behind_the_name_of_the_driver() -> None:
    read = read_vainfo("vainfo: VA-API version: 1.17 (libva 2.12.0)\nvainfo: Driver version: Intel iHD driver\n", -15)
    assert (read.status, read.driver, read.partial) == (GpuStatus.NO_ENCODER, "Intel iHD driver", True)
