"""What a file needs: to be left alone, skipped, put into another container or transcoded; and whether an output is right."""
from __future__ import annotations

from dataclasses import dataclass

from tgbulk.stages.archive.video import VideoAction, VideoFailure
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.ffmpeg import Picture, Sound
from tgbulk.stages.transcode.media import MediaInfo, Video
from tgbulk.stages.transcode.probe import QUICKTIME, BoxLayout

#: What plays on every phone, browser and player in use: Telegram's own promise for videos, with its headroom.
PROFILES = ("Baseline", "Constrained Baseline", "Main", "High")
PIXEL_FORMATS = ("yuv420p", "yuvj420p")
LEVEL = 51
SOUNDS = ("aac", "mp3")
#: A picture may have so many pixels, 8K; the decoders get the same limit.
PIXEL_LIMIT = 7680 * 4320
#: Categories of media that are never videos, whatever their codec; and those that may be something else.
NO_VIDEOS = ("photo", "voice", "audio", "sticker", "thumbnail", "profile")
MAYBE_VIDEOS = ("document", "preview")
#: Containers of pictures; an animated one shows wherever pictures do.
_PICTURES = {"gif", "apng", "image2", "png_pipe", "webp_pipe", "jpeg_pipe", "mjpeg", "svg_pipe"}
#: Seconds, and share of the whole, by which an output may be shorter or longer.
TOLERANCE_SECONDS, TOLERANCE_SHARE = 0.5, 0.02


@dataclass(frozen=True, slots=True)
class TranscodePlan:
    """`reason` completes "the file ..."."""

    action: VideoAction
    reason: str
    picture: Picture | None = None
    sound: Sound | None = None
    #: the pictures play everywhere as they are, so an output that saves nothing is worth nothing
    playable: bool = False


def decide(media: MediaInfo, kind: str, layout: BoxLayout, config: TranscodeConfig) -> TranscodePlan:
    """The plan for a file of this kind (its category: video, animation, round, document ...)."""
    video = media.video
    if kind in NO_VIDEOS:
        return TranscodePlan(VideoAction.LEAVE, f"is not a video ({kind})")
    if video is None:
        return TranscodePlan(VideoAction.LEAVE, "has no moving pictures")
    if _PICTURES & set(media.formats):
        return TranscodePlan(VideoAction.LEAVE, "is an animated picture")
    if video.alpha:
        return TranscodePlan(VideoAction.LEAVE, "has transparency, which H.264 does not support")
    if config.mode == "off":
        return TranscodePlan(VideoAction.LEAVE, "stays as it is: transcoding is off")
    picture = _picture(video, config)
    codec_fault = _codec_fault(video)
    fault = codec_fault or _size_fault(media, video, config)
    sound_fault = "" if media.audio is None or media.audio.codec in SOUNDS else f"has sound in {media.audio.codec}"
    sound = Sound(media.audio.stream, media.audio.channels, not sound_fault) if media.audio else None
    playable = not codec_fault
    if config.mode == "always":
        fault = fault or "plays everywhere, and is transcoded all the same: --transcode always"
    if fault:
        return TranscodePlan(VideoAction.TRANSCODE, fault, picture, sound, playable)
    container_fault = sound_fault or _container_fault(media, layout)
    if container_fault:
        return TranscodePlan(VideoAction.REMUX, container_fault, picture, sound, playable)
    return TranscodePlan(VideoAction.SKIP, "plays everywhere", picture, sound, playable)


def verify(
    source: MediaInfo, plan: TranscodePlan, action: VideoAction, output: MediaInfo
) -> tuple[VideoFailure, str] | None:
    """None when the output is right; else (kind, what is wrong)."""
    video = output.video
    assert source.video is not None
    assert plan.picture is not None
    if video is None or video.codec != "h264" or output.others:
        return VideoFailure.RUNTIME, "the output is not one video in H.264"
    if video.pix_fmt not in PIXEL_FORMATS:
        return VideoFailure.RUNTIME, f"the output has pixels in {video.pix_fmt}"
    wanted = (source.video.width, source.video.height)
    if action is VideoAction.TRANSCODE:
        wanted = (plan.picture.width, plan.picture.height)
    if (video.width, video.height) != wanted:
        return VideoFailure.RUNTIME, f"the output is {video.width}x{video.height}, not {wanted[0]}x{wanted[1]}"
    if (output.audio is None) != (plan.sound is None):
        reason = "the output has no sound" if plan.sound else "the output has sound, the original has none"
        return VideoFailure.DAMAGED, reason
    if not source.lengths or any(
        abs(output.seconds - length) <= max(TOLERANCE_SECONDS, TOLERANCE_SHARE * length) for length in source.lengths
    ):
        return None  # where nothing says how long it should be, anything is right
    return VideoFailure.DAMAGED, f"the source is damaged: {output.seconds:.1f} s of {source.seconds:.1f} s could be read"


def _codec_fault(video: Video) -> str:
    if video.codec != "h264":
        return f"is in {video.codec}"
    if video.hdr:
        return f"is HDR ({video.transfer})"
    if video.pix_fmt not in PIXEL_FORMATS:
        return f"has pixels in {video.pix_fmt or 'a format unknown'}"
    if video.profile not in PROFILES:
        return f"is in H.264 profile {video.profile or 'unknown'}"
    if video.level > LEVEL:
        return f"is in H.264 level {video.level / 10}"
    return ""


def _size_fault(media: MediaInfo, video: Video, config: TranscodeConfig) -> str:
    if min(video.width, video.height) > config.height:
        return f"is {video.width}x{video.height}, larger than {config.height}"
    if config.max_bitrate and media.bit_rate > config.max_bitrate * 1000:
        return f"has {media.bit_rate // 1000} kbit/s, more than {config.max_bitrate}"
    return ""


def _container_fault(media: MediaInfo, layout: BoxLayout) -> str:
    if "mp4" not in media.formats:
        return f"is in {media.formats[0]}"
    if layout.brand == QUICKTIME or not layout.brand:
        return "is in QuickTime's container"
    if not layout.index_first:
        return "has its index at the end"
    return ""


def _picture(video: Video, config: TranscodeConfig) -> Picture:
    """Never enlarged; even, since H.264 in 4:2:0 is made of pairs."""
    shorter = max(1, min(video.width, video.height))
    scale = min(1.0, config.height / shorter)
    width, height = (max(2, round(side * scale) // 2 * 2) for side in (video.width, video.height))
    return Picture(width, height, video.stream, video.hdr)
