"""What to do with a file: leave it alone, skip it, put it into another container, or make it anew."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stages.transcode.argument import Picture, Sound
from stages.transcode.box import QUICKTIME, Layout
from stages.transcode.config import TranscodeConfig
from stages.transcode.media import Media, Video

#: What plays on every phone, browser and player in use: Telegram's own promise for films, with its headroom.
PROFILES = ("Baseline", "Constrained Baseline", "Main", "High")
PIXEL_FORMATS = ("yuv420p", "yuvj420p")
LEVEL = 51
SOUNDS = ("aac", "mp3")
#: A picture may have so many pixels, 8K; the decoders are told the same.
PIXEL_LIMIT = 7680 * 4320
#: Categories of media (stages/medium.py) that are never films, whatever their codec; and those that may be something else.
NO_FILMS = ("photo", "voice", "audio", "sticker", "thumbnail", "profile")
MAYBE_FILMS = ("document", "preview")
#: Containers of pictures; an animated one shows wherever pictures do.
_PICTURES = {"gif", "apng", "image2", "png_pipe", "webp_pipe", "jpeg_pipe", "mjpeg", "svg_pipe"}


class Action(StrEnum):
    """What a file needs."""

    #: it is no film
    LEAVE = "leave"
    #: it plays everywhere as it is
    SKIP = "skip"
    REMUX = "remux"
    TRANSCODE = "transcode"
    #: it was made, and the original is better
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class Plan:
    """`reason` completes "the file ..."."""

    action: Action
    reason: str
    picture: Picture | None = None
    sound: Sound | None = None
    #: the pictures play everywhere as they are, so an output that saves nothing is worth nothing
    playable: bool = False


def decide(media: Media, kind: str, layout: Layout, config: TranscodeConfig) -> Plan:
    """The plan for a file of this kind (its category: video, animation, round, document ...)."""
    video = media.video
    if kind in NO_FILMS:
        return Plan(Action.LEAVE, f"is no film but {kind}")
    if video is None:
        return Plan(Action.LEAVE, "has no moving pictures")
    if _PICTURES & set(media.formats):
        return Plan(Action.LEAVE, "is a picture that moves by itself")
    if video.alpha:
        return Plan(Action.LEAVE, "is transparent in places, which H.264 cannot be")
    if config.mode == "off":
        return Plan(Action.LEAVE, "stays as it is: transcoding is off")
    picture = _picture(video, config)
    codec_fault = _codec_fault(video)
    fault = codec_fault or _size_fault(media, video, config)
    sound_fault = "" if media.audio is None or media.audio.codec in SOUNDS else f"has sound in {media.audio.codec}"
    sound = Sound(media.audio.stream, media.audio.channels, not sound_fault) if media.audio else None
    playable = not codec_fault
    if config.mode == "always":
        fault = fault or "plays everywhere, and is made anew all the same: --transcode always"
    if fault:
        return Plan(Action.TRANSCODE, fault, picture, sound, playable)
    container_fault = sound_fault or _container_fault(media, layout)
    if container_fault:
        return Plan(Action.REMUX, container_fault, picture, sound, playable)
    return Plan(Action.SKIP, "plays everywhere", picture, sound, playable)


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


def _size_fault(media: Media, video: Video, config: TranscodeConfig) -> str:
    if min(video.width, video.height) > config.height:
        return f"is {video.width}x{video.height}, larger than {config.height}"
    if config.max_bitrate and media.bit_rate > config.max_bitrate * 1000:
        return f"has {media.bit_rate // 1000} kbit/s, more than {config.max_bitrate}"
    return ""


def _container_fault(media: Media, layout: Layout) -> str:
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
