"""What one render node can do, as its driver says and as a trial proved."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
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

    status: Status
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
        return self.status is Status.AVAILABLE
