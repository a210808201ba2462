"""The media that every corpus has: one document of every sort, hostile names, odd sizes."""
from __future__ import annotations

from telethon.tl import types

from tgbulk.perf.simdc.corpus.clip import SECONDS
from tgbulk.perf.simdc.corpus.filename import HOSTILE
from tgbulk.perf.simdc.corpus.media import Shelf
from tgbulk.perf.simdc.corpus.sample import Sampler
from tgbulk.perf.simdc.corpus.schema import members, plain

MIB = 1 << 20
SIZES = (0, 1, MIB, MIB + 1, 3_000_000)


def fill(shelf: Shelf, sampler: Sampler) -> None:
    """Put them on the shelf; `sampler` has the hooks of the world."""
    for _ in range(8):
        shelf.photo()
    shelf.moving_photo(types.VideoSizeEmojiMarkup(5_000_000_001, [0xFF0000, 0x00FF00]))
    shelf.moving_photo(types.VideoSizeStickerMarkup(types.InputStickerSetID(1, 2), 5_000_000_002, [0x0000FF]))
    _videos(shelf)
    _sounds(shelf)
    for index, cls in enumerate(members(types.InputStickerSetEmpty)):
        _sticker(shelf, sampler, index, cls)
    for size in SIZES:
        shelf.document(size, "application/octet-stream", [], name=f"{size}.bin")
    for name in HOSTILE:
        shelf.document(64, "application/octet-stream", [], name=name)
    shelf.document(shelf.clips.pictures["y"], "image/jpeg", [
        types.DocumentAttributeImageSize(640, 480), types.DocumentAttributeHasStickers()], name="photo.jpg", thumb=True)


def video(shelf: Shelf) -> types.Document:
    """A new ordinary video."""
    attribute = types.DocumentAttributeVideo(float(SECONDS), 128, 96, supports_streaming=True)
    return shelf.document(shelf.clips.mp4, "video/mp4", [attribute], name="clip.mp4", thumb=True)


def voice(shelf: Shelf) -> types.Document:
    """A new voice message."""
    attribute = types.DocumentAttributeAudio(SECONDS, voice=True, waveform=bytes(range(63)))
    return shelf.document(shelf.clips.voice, "audio/ogg", [attribute])


def _videos(shelf: Shelf) -> None:
    made, length = shelf.clips, float(SECONDS)
    video(shelf)
    shelf.document(made.turned, "video/mp4", [types.DocumentAttributeVideo(length, 96, 128, video_start_ts=0.25)],
                   name="upright.mp4", thumb=True)
    shelf.document(made.round, "video/mp4", [types.DocumentAttributeVideo(length, 96, 96, round_message=True)],
                   thumb=True)
    shelf.document(made.silent, "video/mp4", [
        types.DocumentAttributeVideo(length, 128, 96, nosound=True), types.DocumentAttributeAnimated(),
    ], name="animation.gif.mp4", thumb=True)
    shelf.document(made.webm, "video/webm", [types.DocumentAttributeVideo(length, 128, 96, video_codec="vp9")],
                   name="clip.webm")


def _sounds(shelf: Shelf) -> None:
    voice(shelf)
    shelf.document(40_000, "audio/mpeg", [types.DocumentAttributeAudio(180, title="Ωδή / Ode", performer="AC/DC..")],
                   name="track.mp3", thumb=True)
    shelf.document(20_000, "audio/flac", [types.DocumentAttributeAudio(0)], name="sound.flac")


def _sticker(shelf: Shelf, sampler: Sampler, index: int, cls: type) -> None:
    """Static, animated, video and mask stickers and custom emoji in turn."""
    pack = sampler.make(plain(cls))
    size = types.DocumentAttributeImageSize(512, 512)
    if index % 4 == 0:
        mask = types.MaskCoords(2, 0.5, -0.25, 1.5) if index % 8 == 0 else None
        shelf.document(3_000, "image/webp", [size, types.DocumentAttributeSticker(
            "🎭", pack, mask=mask is not None, mask_coords=mask)], name="sticker.webp", thumb=True)
    elif index % 4 == 1:
        shelf.document(2_000, "application/x-tgsticker", [size, types.DocumentAttributeSticker("🐈‍⬛", pack)],
                       name="AnimatedSticker.tgs", thumb=True, outline=True, effect=True)
    elif index % 4 == 2:
        video = types.DocumentAttributeVideo(float(SECONDS), 128, 96, nosound=True)
        shelf.document(shelf.clips.webm, "video/webm", [video, types.DocumentAttributeSticker("", pack)],
                       name="sticker.webm", outline=True)
    else:
        shelf.document(1_000, "application/x-tgsticker", [
            size, types.DocumentAttributeCustomEmoji("🔥", pack, free=index % 8 == 3, text_color=index % 8 == 7)],
            name="CustomEmoji.tgs", outline=True)
