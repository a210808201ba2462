"""Small videos of every kind that people send, made by ffmpeg when they are first asked for."""
from __future__ import annotations

import subprocess
from pathlib import Path

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s={size}:r=10:d={seconds}")
SOUND = ("-f", "lavfi", "-i", "sine=d={seconds}")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-b:a", "32k")
FRONT = ("-movflags", "+faststart")
MPEG4 = ("-c:v", "mpeg4", "-q:v", "5")
#: name -> (what goes in, what is made of it); sizes and seconds are 128x96 and 1 unless said
RECIPES: dict[str, tuple[str, ...]] = {
    "plain.mp4": (*PICTURE, *SOUND, *H264, *AAC, *FRONT),
    "silent.mp4": (*PICTURE, *H264, *FRONT),
    "back.mp4": (*PICTURE, *SOUND, *H264, *AAC),
    "plain.mov": (*PICTURE, *SOUND, *H264, "-c:a", "pcm_s16le"),
    "plain.mkv": (*PICTURE, *SOUND, *H264, *AAC),
    "opus.mkv": (*PICTURE, *SOUND, *H264, "-c:a", "libopus"),
    "plain.avi": (*PICTURE, *SOUND, *MPEG4, "-c:a", "mp3"),
    "plain.ts": (*PICTURE, *SOUND, *H264, *AAC),
    "mpeg4.mp4": (*PICTURE, *SOUND, *MPEG4, *AAC, *FRONT),
    "silent.mkv": (*PICTURE, *MPEG4),
    "ten.mp4": (*PICTURE, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", *FRONT),
    "hdr.mkv": (
        *PICTURE, "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params",
        "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
    ),
    "high444.mp4": (*PICTURE, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p", *FRONT),
    "voice.ogg": (*SOUND, "-c:a", "libopus"),
    "moving.gif": PICTURE,
    "clear.webm": (*PICTURE, "-vf", "format=yuva420p", "-c:v", "libvpx", "-auto-alt-ref", "0"),
}  # fmt: skip


class Videos:
    def __init__(self, ffmpeg: str, folder: Path) -> None:
        self._ffmpeg, self.folder = ffmpeg, folder

    def __call__(self, name: str, *more: str, size: str = "128x96", seconds: float = 1) -> Path:
        """The video of RECIPES with that name; `more`: output options on top, then under a name of its own."""
        label = "-".join([size, str(seconds), *more]).translate(str.maketrans("/:.", "___")) if more else f"{size}-{seconds}"
        path = self.folder / label / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            arguments = [word.format(size=size, seconds=seconds) for word in RECIPES[name]]
            self.run(*arguments, *more, str(path))
        return path

    def run(self, *arguments: str) -> None:
        quiet = ("-nostdin", "-hide_banner", "-v", "error", "-y")
        subprocess.run([self._ffmpeg, *quiet, *arguments], check=True, capture_output=True)

    def turned(self) -> Path:
        """128x96 with a display matrix of a quarter turn, in a codec that must be transcoded."""
        path = self.folder / "turned.mp4"
        if not path.exists():
            data = bytearray(self("mpeg4.mp4").read_bytes())
            at = data.index(b"tkhd") + 44
            matrix = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
            data[at : at + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in matrix)
            path.write_bytes(data)
        return path

    def uneven(self) -> Path:
        """Variable frame rate, which is what Matroska gets: the frames 0 1 2 10 11 30 of a 10 Hz video."""
        path = self.folder / "uneven.mkv"
        if not path.exists():
            chosen = "select=eq(n\\,0)+eq(n\\,1)+eq(n\\,2)+eq(n\\,10)+eq(n\\,11)+eq(n\\,30)"
            source = ("-f", "lavfi", "-i", "testsrc2=s=128x96:r=10:d=3.1")
            self.run(*source, "-vf", chosen, *MPEG4, str(path))
        return path

    def covered(self) -> Path:
        """A cover picture, subtitles and two sounds beside the video."""
        path = self.folder / "covered.mkv"
        if not path.exists():
            lines = self.folder / "lines.srt"
            lines.write_text("1\n00:00:00,000 --> 00:00:00,500\nline\n")
            cover = self.folder / "cover.png"
            self.run("-f", "lavfi", "-i", "color=red:s=32x32:d=1", "-frames:v", "1", str(cover))
            self.run(
                "-i", str(self("plain.avi")), "-i", str(lines), "-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "1:s",
                "-c", "copy", "-c:s", "srt", "-attach", str(cover), "-metadata:s:t", "mimetype=image/png", str(path),
            )  # fmt: skip
        return path
