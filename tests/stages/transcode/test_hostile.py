"""Hostile files: each is bounded, explained, and does no more than fail."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.video import Videos
from tgbulk.stages.archive.video import TranscodeResult
from tgbulk.stages.protocol.transcode import TranscodeJob
from tgbulk.stages.transcode.capability import GpuStatus, VaapiCapabilities
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.failure import Breaker
from tgbulk.stages.transcode.ffmpeg import Tools
from tgbulk.stages.transcode.process import Stop
from tgbulk.stages.transcode.transcoder import Transcoder

Give = Callable[..., TranscodeResult]


@pytest.fixture
def give(tools: Tools, tmp_path: Path) -> Give:
    """Ask for a file of this name and content; nothing may be left beside it."""

    def answer(name: str, content: bytes, kind: str = "video") -> TranscodeResult:
        source = tmp_path / name
        source.write_bytes(content)
        breaker = Breaker(VaapiCapabilities(GpuStatus.NO_DEVICE), False)
        transcoder = Transcoder(TranscodeConfig(), tools, breaker, Stop(), list[object]().append)
        before = sorted(tmp_path.iterdir())
        result = transcoder.handle(TranscodeJob(1, str(source), str(tmp_path / "out.mp4"), kind))
        if result.outcome != "done":
            assert sorted(tmp_path.iterdir()) == before
        assert source.read_bytes() == content
        assert result.reason
        return result

    return answer


def wide_avi(width: int, height: int) -> bytes:
    """An AVI whose header promises pictures of that size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return name + len(data).to_bytes(4, "little") + data

    def words(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(4, "little") for number in numbers)

    main = chunk(b"avih", words(100000, 0, 0, 16, 1, 0, 1, 0, width, height, 0, 0, 0, 0))
    head = chunk(b"strh", b"vidsmpg4" + words(0, 0, 0, 1, 10, 0, 1, 0, 0, 0, 0, 0))
    form = chunk(b"strf", words(40, width, height, 1 | 24 << 16) + b"mpg4" + words(0, 0, 0, 0, 0))
    lists = chunk(b"LIST", b"hdrl" + main + chunk(b"LIST", b"strl" + head + form))
    return chunk(b"RIFF", b"AVI " + lists + chunk(b"LIST", b"movi" + chunk(b"00dc", bytes(1000))))


@pytest.mark.parametrize("header", ["ffconcat version 1.0\nfile secret.mp4\n", "#EXTM3U\n#EXTINF:1,\nsecret.mp4\n"])
def test_a_text_that_names_another_file(give: Give, videos: Videos, tmp_path: Path, header: str) -> None:
    (tmp_path / "secret.mp4").write_bytes(videos("plain.mp4").read_bytes())
    result = give("video.mp4", header.encode())
    assert (result.outcome, result.failure) == ("failed", "input")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "the file is empty"), (b"\0" * 5000, ""), (b"MZ" + bytes(range(256)) * 40, "")]
)
def test_no_video_at_all(give: Give, content: bytes, reason: str) -> None:
    result = give("video.mp4", content)
    assert (result.outcome, result.failure) == ("failed", "input")
    assert reason in result.reason
    document = give("video.mp4", content, "document")
    assert (document.outcome, document.action) == ("kept", "leave")


def test_half_a_video_without_its_index(give: Give, videos: Videos) -> None:
    whole = videos("mpeg4.mp4", "-movflags", "0").read_bytes()
    result = give("video.mp4", whole[: len(whole) // 2])
    assert (result.outcome, result.failure, result.reason) == ("failed", "input", "moov atom not found")


def test_half_a_video_with_its_index(give: Give, videos: Videos) -> None:
    whole = videos("mpeg4.mp4", seconds=4).read_bytes()
    result = give("video.mp4", whole[: len(whole) // 2])
    assert (result.outcome, result.failure) == ("failed", "damaged")
    assert "the source is damaged: " in result.reason
    assert result.reason.endswith(" s of 4.0 s could be read")


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (30_000, 30_000), (8192, 8192), (0, 0)])
def test_a_picture_that_would_fill_the_memory(give: Give, width: int, height: int) -> None:
    result = give("video.avi", wide_avi(width, height))
    assert (result.outcome, result.failure) == ("failed", "input")


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "p%03d.avi", "-i.mp4", "x;rm -rf $HOME.avi", "moov atom not found.avi", "\udcff\n.avi"]
)
def test_names_mean_nothing(give: Give, videos: Videos, name: str) -> None:
    result = give(name, videos("plain.avi").read_bytes())
    assert (result.outcome, result.encoder) == ("done", "libx264")


def test_a_name_is_not_taken_for_words_of_ffmpeg(give: Give) -> None:
    result = give("No space left on device.mp4", b"\0" * 5000)
    assert result.failure == "input"
