"""Real videos through real ffmpeg on the CPU."""
from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from support.video import Videos
from tgbulk.stages.archive.video import TranscodeResult, target_of
from tgbulk.stages.protocol.transcode import TranscodeJob
from tgbulk.stages.transcode.capability import GpuStatus, VaapiCapabilities
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.encoder import Encoded, EncodingTask, FailedAttempt, VideoEncoder
from tgbulk.stages.transcode.failure import Breaker
from tgbulk.stages.transcode.ffmpeg import Tools
from tgbulk.stages.transcode.process import Stop
from tgbulk.stages.transcode.transcoder import Transcoder

Handle = Callable[..., TranscodeResult]
NO_GPU = VaapiCapabilities(GpuStatus.NO_DEVICE, "there is no render node")


@pytest.fixture
def handle(tools: Tools, tmp_path: Path) -> Handle:
    """Answer one job for a video, in a process of this configuration without a GPU."""

    def answer(source: Path, kind: str = "video", tools: Tools = tools, **config: object) -> TranscodeResult:
        settings = replace(TranscodeConfig(force_cpu=True), **config)  # type: ignore[arg-type]
        transcoder = Transcoder(settings, tools, Breaker(NO_GPU, False), Stop(), list[object]().append)
        return transcoder.handle(TranscodeJob(1, str(source), str(tmp_path / target_of(source).name), kind))

    return answer


def streams(tools: Tools, path: str | Path) -> dict[str, dict[str, object]]:
    """Kind -> what ffprobe says of that stream of an output."""
    if not tools.ffprobe:
        pytest.skip("there is no ffprobe to check the output with")
    argv = [tools.ffprobe, "-v", "error", "-count_frames", "-of", "json", "-show_streams", "-show_chapters", str(path)]
    answer = orjson.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    assert answer["chapters"] == []
    kinds = [stream["codec_type"] for stream in answer["streams"]]
    assert len(kinds) == len(set(kinds))
    return {stream["codec_type"]: stream for stream in answer["streams"]}


@pytest.mark.parametrize(
    ("name", "action", "reason"),
    [
        ("plain.mp4", "skip", "plays everywhere"),
        ("silent.mp4", "skip", "plays everywhere"),
        ("voice.ogg", "leave", "has no moving pictures"),
        ("moving.gif", "leave", "is an animated picture"),
        ("clear.webm", "leave", "has transparency, which H.264 does not support"),
    ],
)
def test_what_needs_nothing_is_kept(videos: Videos, handle: Handle, name: str, action: str, reason: str) -> None:
    before = videos(name).read_bytes()
    result = handle(videos(name))
    assert (result.outcome, result.action, result.reason, result.output) == ("kept", action, reason, "")
    assert (result.attempts, result.encoder) == (0, "")
    assert videos(name).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "action", "reason", "encoder"),
    [
        ("back.mp4", "remux", "has its index at the end", "copy"),
        ("plain.mov", "remux", "has sound in pcm_s16le", "copy"),
        ("plain.mkv", "remux", "is in matroska", "copy"),
        ("plain.ts", "remux", "is in mpegts", "copy"),
        ("opus.mkv", "remux", "has sound in opus", "copy"),
        ("plain.avi", "transcode", "is in mpeg4", "libx264"),
        ("mpeg4.mp4", "transcode", "is in mpeg4", "libx264"),
        ("ten.mp4", "transcode", "has pixels in yuv420p10le", "libx264"),
        ("high444.mp4", "transcode", "has pixels in yuv444p", "libx264"),
        ("hdr.mkv", "transcode", "is in hevc", "libx264"),
    ],
)
def test_what_does_not_play_everywhere_does_afterwards(
    tools: Tools, videos: Videos, handle: Handle, name: str, action: str, reason: str, encoder: str
) -> None:
    source = videos(name)
    before = source.read_bytes()
    result = handle(source)
    assert (result.outcome, result.action, result.reason, result.encoder) == ("done", action, reason, encoder)
    assert source.read_bytes() == before
    made = Path(result.output)
    assert (result.output_size, made.stat().st_mtime_ns) == (made.stat().st_size, source.stat().st_mtime_ns)
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    found = streams(tools, made)
    video = found["video"]
    assert (video["codec_name"], video["pix_fmt"], video["width"], video["height"]) == ("h264", "yuv420p", 128, 96)
    assert video["nb_read_frames"] == "10"
    assert video.get("color_transfer") != "smpte2084"
    if "audio" in found:
        assert found["audio"]["codec_name"] in ("aac", "mp3")
    assert ("audio" in found) == (name not in ("ten.mp4", "high444.mp4", "hdr.mkv"))
    assert handle(made).outcome == "kept"  # which is to say: what was made needs nothing more


def test_a_second_run_finds_what_the_first_made(videos: Videos, handle: Handle) -> None:
    first = handle(videos("plain.avi"))
    second = handle(videos("plain.avi"))
    assert (second.outcome, second.output, second.output_sha256) == ("done", first.output, first.output_sha256)
    assert (second.attempts, second.encoder) == (0, "")
    assert second.reason == "is in mpeg4; done by an earlier run"


def test_an_output_that_is_not_ours_is_made_anew(videos: Videos, handle: Handle, tmp_path: Path) -> None:
    target = tmp_path / target_of(videos("plain.avi")).name
    target.write_bytes(videos("plain.avi", size="64x48").read_bytes())
    assert handle(videos("plain.avi")).encoder == "libx264"


def test_a_video_held_upright_is_turned(tools: Tools, videos: Videos, handle: Handle) -> None:
    video = streams(tools, handle(videos.turned()).output)["video"]
    assert (video["width"], video["height"]) == (96, 128)
    assert "side_data_list" not in video


def test_sizes_are_made_even_and_never_larger(tools: Tools, videos: Videos, handle: Handle) -> None:
    video = streams(tools, handle(videos("plain.avi", size="161x121")).output)["video"]
    assert (video["width"], video["height"]) == (160, 120)


def test_the_shorter_side_is_limited(tools: Tools, videos: Videos, handle: Handle) -> None:
    result = handle(videos("plain.mp4", size="240x426"), height=120)
    assert result.reason.startswith("is 240x426, larger than 120")
    assert (result.outcome, result.action) == ("done", "transcode")
    video = streams(tools, result.output)["video"]
    assert (video["width"], video["height"]) == (120, 212)


def test_each_frame_keeps_its_time(tools: Tools, videos: Videos, handle: Handle) -> None:
    result = handle(videos.uneven())
    assert streams(tools, result.output)["video"]["nb_read_frames"] == "6"
    argv = [str(tools.ffprobe), "-v", "error", "-of", "csv=p=0", "-show_entries", "packet=pts_time", result.output]
    times = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
    assert sorted(float(time.rstrip(",")) for time in times) == pytest.approx([0, 0.1, 0.2, 1.0, 1.1, 3.0], abs=0.002)


def test_covers_and_subtitles_stay_with_the_original(tools: Tools, videos: Videos, handle: Handle, tmp_path: Path) -> None:
    source = tmp_path / "videos" / "covered.mkv"
    source.parent.mkdir()
    source.write_bytes(videos.covered().read_bytes())
    result = handle(source, keep_original=False)
    assert sorted(streams(tools, result.output)) == ["audio", "video"]
    assert result.reason == "is in mpeg4; the original is kept, it has 2 more streams"
    assert source.exists()
    assert not result.replaced


def test_an_original_is_replaced_where_that_is_asked_for(videos: Videos, handle: Handle, tmp_path: Path) -> None:
    source = tmp_path / "video.avi"
    source.write_bytes(videos("plain.avi").read_bytes())
    result = handle(source, keep_original=False)
    assert (result.outcome, result.replaced, source.exists()) == ("done", True, True)
    source.unlink()  # as the index does when it knows
    again = handle(source, keep_original=False)
    assert (again.outcome, again.replaced, again.output_sha256) == ("done", True, result.output_sha256)
    assert handle(source).reason == "the original is not there"


def test_what_saves_nothing_is_discarded(videos: Videos, handle: Handle, tmp_path: Path) -> None:
    result = handle(videos("plain.mp4", "-crf", "45"), mode="always", quality=10)
    assert (result.outcome, result.action, result.output) == ("kept", "discard", "")
    assert result.reason.startswith("plays everywhere, and is transcoded all the same: --transcode always; the output, ")
    assert list(tmp_path.iterdir()) == []


def test_modes(videos: Videos, handle: Handle) -> None:
    assert handle(videos("plain.avi"), mode="off").reason == "stays as it is: transcoding is off"
    assert handle(videos("plain.mp4", "-crf", "1"), mode="always", quality=40).outcome == "done"
    assert handle(videos("plain.avi"), kind="sticker").reason == "is not a video (sticker)"
    assert handle(videos("plain.mp4"), max_bitrate=1).reason.startswith("has ")


def test_a_wrong_size_is_not_touched(videos: Videos, handle: Handle, tools: Tools) -> None:
    job = TranscodeJob(1, str(videos("plain.avi")), "/nowhere/x.mp4", "video", size=5)
    result = Transcoder(TranscodeConfig(), tools, Breaker(NO_GPU, False), Stop(), list[object]().append).handle(job)
    assert (result.outcome, result.failure) == ("failed", "input")
    assert result.reason.endswith("bytes, not 5")


def test_a_target_that_cannot_be_written(videos: Videos, tools: Tools) -> None:
    job = TranscodeJob(1, str(videos("plain.avi")), "/proc/none/x.mp4", "video")
    result = Transcoder(TranscodeConfig(), tools, Breaker(NO_GPU, False), Stop(), list[object]().append).handle(job)
    assert (result.outcome, result.failure) == ("failed", "permission")
    assert "No such file or directory" in result.reason


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("what", ["target", "part", "source", "folder", "media"])
def test_planted_links_lead_nowhere(
    videos: Videos, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, late: bool
) -> None:
    """Before the job, or between the look at the video and its encoding; media/ itself may be one."""
    outside, media = tmp_path / "outside", tmp_path / "media"
    outside.mkdir()
    (victim := outside / "victim").write_bytes(b"of somebody else")
    folder = media / "video" / "00"
    folder.mkdir(parents=True)
    source = Path(shutil.copy(videos("plain.avi"), folder / "a.avi"))
    target = target_of(source)

    def plant() -> None:
        names = {"target": target, "part": target.with_name(target.name + ".part"), "source": source}
        if what in names:
            names[what].unlink(missing_ok=True)
            names[what].symlink_to(victim)
        else:
            place = folder if what == "folder" else media
            shutil.move(place, tmp_path / "moved")
            place.symlink_to(outside if what == "folder" else tmp_path / "moved")

    make = VideoEncoder.make

    def planted(encoder: VideoEncoder, task: EncodingTask) -> Encoded | FailedAttempt:
        plant()
        return make(encoder, task)

    if late:
        monkeypatch.setattr(VideoEncoder, "make", planted)
    else:
        plant()
    job = TranscodeJob(1, str(source), str(target), "video", folder=str(media))
    config = TranscodeConfig(force_cpu=True)
    result = Transcoder(config, tools, Breaker(NO_GPU, False), Stop(), list[object]().append).handle(job)
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("victim", b"of somebody else")]
    refused = what == "folder" or (what, late) in (("source", False), ("part", True))
    assert result.outcome == ("failed" if refused else "done"), result.reason
    assert what == "folder" or not target.is_symlink()


def test_without_ffmpeg(videos: Videos, handle: Handle) -> None:
    result = handle(videos("plain.avi"), tools=Tools(problem="there is no ffmpeg on the PATH"))
    assert (result.outcome, result.failure, result.reason) == ("failed", "tool", "there is no ffmpeg on the PATH")


def test_without_ffprobe(videos: Videos, handle: Handle, tools: Tools) -> None:
    bare = replace(tools, ffprobe="")
    assert handle(videos("plain.mp4"), tools=bare).reason == "plays everywhere"
    result = handle(videos("plain.avi"), tools=bare)
    assert (result.outcome, result.encoder) == ("done", "libx264")
