"""What one render node can do: as a trial proved, and as its driver says by way of vainfo.

vainfo tells what a driver offers, not what works: it is a diagnosis, never the decision.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

#: A pair of the list; with --all there is a slash between, and attributes below.
_PROFILE = re.compile(r"^[ \t]*VAProfile(\w+)[ \t]*[:/][ \t]*VAEntrypoint(\w+)[ \t]*$", re.M)
_ENTRIES = (
    "VLD", "IZZ", "IDCT", "MoComp", "Deblocking", "VideoProc", "EncSlice", "EncSliceLP", "EncPicture", "FEI", "Stats",
    "ProtectedTEEComm", "ProtectedContent",
)  # fmt: skip
_HEADER = re.compile(r"Supported (profile and entrypoints|config attributes)")
_DRIVER = re.compile(r"Driver version: *(.*?) *$", re.M)
_OPENED = re.compile(r"Trying to open \S*?(\w+)_drv_video\.so")
_RETURNED = re.compile(r"va_openDriver\(\) returns (-?\d+)")
#: The profiles that count as H.264; stereo, multiview and 10 bits are other things.
_H264 = ("H264ConstrainedBaseline", "H264Main", "H264High")
_CODECS = {
    "MPEG2": "mpeg2", "MPEG4": "mpeg4", "H263": "h263", "VC1": "vc1", "HEVC": "hevc", "VVC": "vvc",
    "VP8": "vp8", "VP9": "vp9", "AV1": "av1", "JPEG": "mjpeg",
}  # fmt: skip
_ENCODE = ("EncSlice", "EncSliceLP")
#: what a driver calls itself -> the name of its file; the first that is found
_NAMES = (
    (r"\biHD\b", "iHD"),
    (r"\bi965\b", "i965"),
    (r"NVDEC", "nvidia"),
    (r"VDPAU", "vdpau"),
    (r"(?i)virgl|virtio", "virtio_gpu"),
    (r"\bzink\b", "zink"),
    (r"D3D12|Microsoft", "d3d12"),
    (r"Mesa Gallium.*\b(nouveau|NV[0-9A-F]{2,3})\b", "nouveau"),
    (r"Mesa Gallium.*\b(R600|RV\d{3}|ARUBA|CAYMAN|TURKS|CAICOS|BARTS|REDWOOD|CEDAR|JUNIPER|CYPRESS|PALM|SUMO2?)\b", "r600"),
    (r"Mesa Gallium.*(radeonsi|Radeon|AMD|ATI)", "radeonsi"),
)
_VENDORS = (
    (r"NVDEC|NVIDIA|nouveau|\bNV[0-9A-F]{2,3}\b|VDPAU", "nvidia"),
    (r"Radeon|AMD|\bATI\b|radeonsi|XvBA", "amd"),
    (r"Intel|\biHD\b|\bi965\b", "intel"),
)
#: what says that no driver came up -> its class; the first that is found
_FAILURES = (
    (r"Assertion .* failed|Segmentation fault", "crash", "the driver crashed"),
    (r"Failed to open the given device", "no_device", "the device cannot be opened"),
    (r"Failed to a DRM display", "no_drm", "the device is no graphics device"),
    (r"init failed|va_openDriver\(\) returns [1-9]", "init_failed", "a driver is there and does not start"),
    (r"dlopen of \S+ failed", "no_driver", "a driver is there and lacks a library"),
    (r"va_openDriver\(\) returns -1|va_?[Gg]etDriverName\w*\(\) failed|has no function __vaDriverInit", "no_driver",
     "libva finds no driver for the device"),
    (r"Permission denied", "permission", "the device may not be opened"),
    (r"vaInitialize failed", "init_failed", "libva does not start"),
    (r"failed to initialize display|can't connect to X server", "no_display", "vainfo finds no display to ask"),
    (r"error while loading shared libraries|symbol lookup error|undefined symbol", "broken", "vainfo lacks a library"),
)  # fmt: skip


class GpuStatus(StrEnum):
    """How far a render node, or the search for one, got."""

    #: an H.264 encoder is there
    AVAILABLE = "available"
    #: a driver, but no H.264 encoder, or none that works
    NO_ENCODER = "no_encoder"
    #: the node cannot be opened, or no driver starts on it
    ERROR = "error"
    #: there is no render node
    NO_DEVICE = "no_device"
    #: ffmpeg is missing or was built without VA-API
    NO_FFMPEG = "no_ffmpeg"
    #: FORCE_CPU_TRANSCODE
    FORCED_CPU = "forced_cpu"


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """Pictures that an encoder takes, in pixels; the defaults are what the narrowest GPU in use takes."""

    min_width: int = 256
    max_width: int = 4096
    min_height: int = 128
    max_height: int = 2304

    def admits(self, width: int, height: int) -> bool:
        return self.min_width <= width <= self.max_width and self.min_height <= height <= self.max_height


@dataclass(frozen=True, slots=True)
class VaapiCapabilities:
    """`reason` and `hint` are sentences for people; everything that is not known is empty."""

    status: GpuStatus
    reason: str = ""
    hint: str = ""
    node: str = ""
    #: intel, amd, nvidia
    vendor: str = ""
    #: the driver's own words
    driver: str = ""
    #: iHD, i965, radeonsi, nvidia ...
    driver_name: str = ""
    #: codecs, ascending: av1, h264, hevc, mjpeg, mpeg2, mpeg4, vc1, vp8, vp9
    encoders: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()
    #: H.264 is encoded by the low-power unit alone (EncSliceLP)
    low_power_only: bool = False
    #: the trial passed only with -low_power 1
    low_power: bool = False
    #: rate control modes the driver offers for H.264, in its order
    rate_modes: tuple[str, ...] = ()
    #: the mode the trial passed with; empty is the driver's choice
    rate: str = ""
    size: SizeLimit = SizeLimit()
    #: environment variables that keep this driver from starting, left out for ffmpeg
    ignored: tuple[str, ...] = ()
    #: no_vainfo, no_device, no_display, no_driver, init_failed, permission, device_filter, hang, crash ...
    error_class: str = ""
    #: the list of profiles was cut
    partial: bool = False

    @property
    def usable(self) -> bool:
        return self.status is GpuStatus.AVAILABLE


def read_vainfo(output: str, returncode: int = 0) -> VaapiCapabilities:
    """The reading of vainfo's output, standard output and standard error in any order.

    Each codec once, however often a driver lists it. `error:` and `libva error:` lines come before successes too, and a
    driver may crash when it is let go: only an output without a driver is an error.
    """
    output = output.replace("\r\n", "\n").replace("\r", "\n")
    found = _DRIVER.search(output)
    driver = found[1] if found and found[1] not in ("", "<NULL>", "(null)") else ""
    pairs = set(_PROFILE.findall(output))
    headed = bool(found and _HEADER.search(output))
    listed = headed or bool(driver or pairs)
    encoders = {codec for profile, entry in pairs if (codec := _codec(profile)) and _encodes(codec, entry)}
    decoders = {codec for profile, entry in pairs if entry == "VLD" and (codec := _codec(profile))}
    h264 = {entry for profile, entry in pairs if profile in _H264}
    status, error_class, reason = _judge(output, returncode, listed, "h264" in encoders)
    return VaapiCapabilities(
        status=status,
        reason=reason,
        vendor=_first(_VENDORS, driver),
        driver=driver,
        driver_name=_first(_NAMES, driver) or (_opened(output) if listed else ""),
        encoders=tuple(sorted(encoders)),
        decoders=tuple(sorted(decoders)),
        low_power_only="EncSliceLP" in h264 and "EncSlice" not in h264,
        error_class=error_class,
        partial=listed and (not headed or _is_cut(output)),
    )


def _judge(output: str, returncode: int, listed: bool, h264: bool) -> tuple[GpuStatus, str, str]:
    """(status, error class, reason)"""
    if not listed:
        for pattern, error_class, reason in _FAILURES:
            if re.search(pattern, output):
                return GpuStatus.ERROR, error_class, reason
        number = -returncode if returncode < 0 else returncode - 128  # as a shell says it
        if number > 0:
            return GpuStatus.ERROR, "crash", f"vainfo was ended by signal {number}"
        if returncode == 127:
            return GpuStatus.ERROR, "broken", "vainfo is not there, or lacks a library"
        return GpuStatus.ERROR, "unknown", f"vainfo ended with status {returncode} and says nothing that is known"
    if h264:
        return GpuStatus.AVAILABLE, "", "the driver lists an H.264 encoder"
    return GpuStatus.NO_ENCODER, "", "the driver lists no H.264 encoder"


def _is_cut(output: str) -> bool:
    """The last line is the beginning of a pair."""
    last = output.rstrip().rpartition("\n")[2].strip()
    pair = _PROFILE.fullmatch(last)
    return last.startswith("VAProfile") and not last.endswith(">") and (pair is None or pair[2] not in _ENTRIES)


def _encodes(codec: str, entry: str) -> bool:
    return entry in _ENCODE or (codec == "mjpeg" and entry == "EncPicture")


def _codec(profile: str) -> str:
    if profile.startswith("H264"):
        return "h264" if profile in _H264 else ""
    return next((codec for prefix, codec in _CODECS.items() if profile.startswith(prefix)), "")


def _first(table: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for pattern, name in table if re.search(pattern, text)), "")


def _opened(output: str) -> str:
    """The driver file that libva opened with success."""
    name = ""
    for line in output.splitlines():
        if opened := _OPENED.search(line):
            name = opened[1]
        elif (returned := _RETURNED.search(line)) and returned[1] == "0":
            return name
    return ""
