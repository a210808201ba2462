"""Real small pictures, videos and voices, made by ffmpeg once in a process."""
from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

#: Photo sizes by letter (core.telegram.org/api/files): width and height.
PICTURES = {"s": (96, 72), "m": (160, 120), "x": (320, 240), "y": (640, 480)}
#: Seconds of every video and voice.
SECONDS = 1

QUIET = ("-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-threads", "1", "-filter_threads", "1")
EXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")
SAME = ("-map_metadata", "-1", "-threads", "1", *EXACT)
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "40", "-pix_fmt", "yuv420p", "-movflags", "+faststart")
VIDEO, SQUARE = "testsrc=size=128x96:rate=10:duration=1", "testsrc=size=96x96:rate=10:duration=1"
SOUND = "sine=frequency=440:duration=1"
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
OPUS = ("-c:a", "libopus", "-b:a", "16k")
AAC = ("-c:a", "aac", "-b:a", "32k", "-shortest")


@dataclass(frozen=True, slots=True)
class Clips:
    """Ready files. `real` is false where no ffmpeg was found and the bytes are only as many as they should be."""

    real: bool
    #: by letter of PICTURES
    pictures: dict[str, bytes]
    mp4: bytes
    #: videoed with the camera held upright: a display matrix turns it by 90 degrees
    turned: bytes
    #: a round video message
    round: bytes
    #: an animation: mp4 without sound
    silent: bytes
    webm: bytes
    voice: bytes


@cache
def clips() -> Clips:
    """The clips of this process; one line on stderr where ffmpeg is missing or fails."""
    ffmpeg = _ffmpeg()
    if ffmpeg is None:
        print("simdc: no ffmpeg, so media are random bytes", file=sys.stderr)
        return _random()
    try:
        return _made(ffmpeg)
    except subprocess.CalledProcessError as error:
        print(f"simdc: ffmpeg failed, so media are random bytes: {error.stderr.decode().strip()}", file=sys.stderr)
        return _random()


def unique(data: bytes, label: bytes) -> bytes:
    """The same picture or video as other bytes: a comment, a free box or a void element with this short label."""
    if data.startswith(b"\xff\xd8"):
        return data[:2] + b"\xff\xfe" + (len(label) + 2).to_bytes(2, "big") + label + data[2:]
    if data[4:8] == b"ftyp":
        return data + (len(label) + 8).to_bytes(4, "big") + b"free" + label
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return data + b"\xec" + bytes([0x80 | len(label)]) + label
    return data


def _ffmpeg() -> str | None:
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return None


def _made(ffmpeg: str) -> Clips:
    """All of them by one command: most of what a short one costs is its start."""
    pictures = {letter: f"testsrc=size={width}x{height}:rate=1:duration=1" for letter, (width, height) in PICTURES.items()}
    sources = [VIDEO, SQUARE, SOUND, *pictures.values()]
    outputs: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
        "plain.mp4": ((VIDEO, SOUND), (*H264, *AAC)),
        "round.mp4": ((SQUARE, SOUND), (*H264, *AAC)),
        "silent.mp4": ((VIDEO,), H264),
        "plain.webm": ((VIDEO, SOUND), (*VP9, *OPUS)),
        "voice.ogg": ((SOUND,), OPUS),
        **{f"{letter}.jpg": ((source,), ("-frames:v", "1", "-q:v", "8")) for letter, source in pictures.items()},
    }
    words = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
    for name, (wanted, options) in outputs.items():
        words += [word for source in wanted for word in ("-map", str(sources.index(source)))]
        words += [*options, *SAME, name]
    with tempfile.TemporaryDirectory(prefix="simdc-") as folder:
        subprocess.run([ffmpeg, *QUIET, *words], check=True, capture_output=True, cwd=folder)
        made = {name: (Path(folder) / name).read_bytes() for name in outputs}
    return Clips(
        real=True,
        pictures={letter: made[f"{letter}.jpg"] for letter in PICTURES},
        mp4=made["plain.mp4"],
        turned=_turned(made["plain.mp4"]),
        round=made["round.mp4"],
        silent=made["silent.mp4"],
        webm=made["plain.webm"],
        voice=made["voice.ogg"],
    )


def _turned(mp4: bytes) -> bytes:
    """The video with the display matrix of a quarter turn in its first track header (ISO/IEC 14496-12, 8.3.2)."""
    start = mp4.index(b"tkhd") + 44
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return mp4[:start] + matrix + mp4[start + len(matrix):]


def _random() -> Clips:
    random = Random("clips")
    pictures = {letter: random.randbytes(20 * width) for letter, (width, _) in PICTURES.items()}
    return Clips(False, pictures, *(random.randbytes(size) for size in (9000, 9001, 7000, 6000, 8000, 3000)))
