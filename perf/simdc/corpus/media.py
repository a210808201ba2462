"""Photos and documents whose every size the data centre really has."""
from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.clip import PICTURES, clips, unique
from tgbulk.perf.simdc.corpus.file import ReadyFile, SeededFile
from tgbulk.perf.simdc.history import FILE_REFERENCE_PLACEHOLDER, MEDIA_HASH_PLACEHOLDER
from tgbulk.perf.simdc.world import StoredFile, World

#: Where media lie: the accounts' own data centre and another.
DATA_CENTRES = (2, 4)


class Shelf:
    """Makes photos and documents, each with an id and bytes of its own, and registers their files in the world."""

    def __init__(self, world: World, random: Random) -> None:
        self._files = world.files
        self._seed = world.seed
        self._random = random
        self._made = 0
        self.photos: list[types.Photo] = []
        self.documents: list[types.Document] = []
        self.clips = clips()

    def photo(self) -> types.Photo:
        """A new photo; the kinds of sizes take turns."""
        number, photo_id, dc_id = self._next()
        letters = ("m", "x") if number % 3 == 0 else ("m", "x", "y")
        sizes: list[Any] = []
        for letter in letters:
            width, height = PICTURES[letter]
            size = self._put("photo", photo_id, letter, self._picture(letter, dc_id)).size
            if letter == letters[-1] and number % 4 == 1:
                sizes.append(types.PhotoSizeProgressive(letter, width, height, [size // 10, size // 3, size]))
            else:
                sizes.append(types.PhotoSize(letter, width, height, size))
        if number % 5 != 4:
            sizes.insert(0, self.stripped())
        if number % 4 == 2:
            width, height = PICTURES["s"]
            sizes.insert(1, types.PhotoCachedSize("s", width, height, self._labelled("s")))
        if number % 8 == 5:
            sizes.append(types.PhotoSizeEmpty("w"))
        photo = types.Photo(photo_id, MEDIA_HASH_PLACEHOLDER, FILE_REFERENCE_PLACEHOLDER, self._date(), sizes, dc_id,
                            has_stickers=number % 7 == 0)
        self.photos.append(photo)
        return photo

    def moving_photo(self, size: Any) -> types.Photo:
        """A new photo with this emoji or sticker markup and a short video."""
        photo = self.photo()
        video = self._video(self.clips.silent, photo.dc_id)
        self._put("photo", photo.id, "u", video)
        photo.video_sizes = [types.VideoSize("u", 128, 96, video.size, video_start_ts=0.5), size]
        return photo

    def document(self, data: bytes | int, mime_type: str, attributes: Sequence[Any], *, name: str | None = None,
                 thumb: bool = False, outline: bool = False, effect: bool = False) -> types.Document:
        """A new document of these bytes, or so many seeded ones; `outline` is a sticker's path, `effect` its video."""
        _, document_id, dc_id = self._next()
        file = self._seeded(data, dc_id) if isinstance(data, int) else self._video(data, dc_id)
        self._put("document", document_id, "", file)
        thumbs: list[Any] = [types.PhotoPathSize("j", self._random.randbytes(40))] if outline else []
        if thumb:
            width, height = PICTURES["m"]
            picture = self._put("document", document_id, "m", self._picture("m", dc_id))
            thumbs += [self.stripped(), types.PhotoSize("m", width, height, picture.size)]
        videos = None
        if effect:
            video = self._put("document", document_id, "f", self._video(self.clips.silent, dc_id))
            videos = [types.VideoSize("f", 128, 96, video.size)]
        named = [] if name is None else [types.DocumentAttributeFilename(name)]
        document = types.Document(
            document_id, MEDIA_HASH_PLACEHOLDER, FILE_REFERENCE_PLACEHOLDER, self._date(), mime_type, file.size, dc_id,
            [*attributes, *named], thumbs=thumbs or None, video_thumbs=videos)
        self.documents.append(document)
        return document

    def peer_photo(self) -> tuple[int, int, bytes]:
        """(id, data centre, stripped thumbnail) of a new picture of a user or chat, in its two sizes."""
        _, photo_id, dc_id = self._next()
        self._put("peer_photo", photo_id, "a", self._picture("m", dc_id))
        self._put("peer_photo", photo_id, "c", self._picture("y", dc_id))
        return photo_id, dc_id, self.stripped().bytes

    def adopt(self, item: types.Photo | types.Document) -> None:
        """Register seeded bytes for a photo or document that somebody else made."""
        kind = "photo" if isinstance(item, types.Photo) else "document"
        sizes = [s for s in (item.sizes if kind == "photo" else item.thumbs) or [] if isinstance(s, types.PhotoSize)]
        lengths = {s.type: s.size for s in sizes} | ({} if kind == "photo" else {"": item.size})
        for letter, size in lengths.items():
            self._put(kind, item.id, letter, SeededFile(item.dc_id, size, f"{self._seed}:{kind}:{item.id}:{letter}"))

    def stripped(self) -> types.PhotoStrippedSize:
        """A thumbnail without its header: version, height, width, scan data."""
        return types.PhotoStrippedSize("i", bytes((1, 30, 40)) + self._random.randbytes(60))

    def _next(self) -> tuple[int, int, int]:
        self._made += 1
        dc_id = DATA_CENTRES[self._made % 3 == 0]
        return self._made, (dc_id << 60) + (self._made << 32) + self._random.getrandbits(31), dc_id

    def _put(self, kind: str, number: int, letter: str, file: StoredFile) -> StoredFile:
        self._files[(kind, number, letter)] = file
        return file

    def _labelled(self, letter: str) -> bytes:
        return unique(self.clips.pictures[letter], b"%d/%d" % (self._seed, self._made))

    def _picture(self, letter: str, dc_id: int) -> StoredFile:
        return ReadyFile(dc_id, self._labelled(letter))

    def _video(self, data: bytes, dc_id: int) -> StoredFile:
        return ReadyFile(dc_id, unique(data, b"%d/%d" % (self._seed, self._made)))

    def _seeded(self, size: int, dc_id: int) -> StoredFile:
        return SeededFile(dc_id, size, f"{self._seed}:file:{self._made}")

    def _date(self) -> int:
        return 1_500_000_000 + 86_400 * self._made
