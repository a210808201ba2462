"""The settings of the transcode process, built once at the command line."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tgbulk.engine.channel import Channel
from tgbulk.engine.metric import Outlet
from tgbulk.stages.archive.video import video_policy

#: Which videos are transcoded: none; those that do not play everywhere; all.
MODES = ("off", "auto", "always")


@dataclass(frozen=True, slots=True)
class TranscodeConfig:
    """Sizes in pixels, times in seconds."""

    mode: str = "auto"
    #: the shorter side of a video is made no larger than this
    height: int = 1080
    #: libx264's CRF; VA-API gets one more, which looks alike
    quality: int = 23
    #: kbit/s above which a video that would play is transcoded; 0 is no limit
    max_bitrate: int = 0
    #: False: the original is deleted once a checked output stands beside it that lacks none of its streams
    keep_original: bool = True
    #: FORCE_CPU_TRANSCODE
    force_cpu: bool = False
    #: VAAPI_DEVICE_PATH: the only render node to try; None tries all
    device: Path | None = None
    #: let the GPU decode as well, where its driver says it can
    hardware_decode: bool = False
    #: threads of an encoder on the CPU; 0 is half of the cores
    threads: int = 0
    #: programs to use, instead of those on the PATH
    ffmpeg: str | None = None
    ffprobe: str | None = None
    vainfo: str | None = None
    #: the folder of the render nodes
    dri: Path = Path("/dev/dri")
    #: where the kernel describes graphics devices
    sysfs: Path = Path("/sys/class/drm")
    #: without a new frame or a change of its output for so long, ffmpeg is stuck; longer on the CPU, whose frames take time
    stall: float = 60.0
    cpu_stall: float = 120.0
    #: ffmpeg may take this long, or this many times the length of the video, whichever is more
    total: float = 120.0
    total_factor: float = 20.0
    #: one trial on a render node, and one question to ffmpeg, ffprobe or vainfo
    trial: float = 10.0
    probe: float = 15.0
    #: between SIGTERM and SIGKILL, and then until a process that does not die is given up
    term_grace: float = 5.0
    kill_grace: float = 10.0

    @property
    def policy(self) -> str:
        """What of this decides how an output looks, as the archive keeps it."""
        return video_policy(self.mode, self.height, self.quality, self.max_bitrate, not self.keep_original)


@dataclass(frozen=True, slots=True)
class TranscodeContext:
    """Given to the process when it starts. Both channels have CONTROL_LIMIT."""

    config: TranscodeConfig
    #: from fetch
    jobs: Channel
    #: to fetch
    results: Channel
    outlet: Outlet | None = None
