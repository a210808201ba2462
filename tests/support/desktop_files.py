"""Photos and documents of result.json and what their files are called, by the spec."""

from __future__ import annotations

import base64
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from support.desktop_layout import Pairs, Tl

GONE = "(File unavailable, please try again later)"
LEFT_OUT = "(File not included. Change data exporting settings to download.)"
TOO_BIG = "(File exceeds maximum size. Change data exporting settings to download.)"


@dataclass
class Shelf:
    """What the archive has of each file, and what names are taken."""

    archive: Path
    counters: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("photo", "audio", "video", "file", "contact"), 0)
    )
    placed: dict[tuple[str, int, str], str] = field(default_factory=dict)
    #: path -> bytes that must be there
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows: dict[tuple[str, int, str], tuple[str, str, str]] = {}
        if (self.archive / "media.sqlite").exists():
            database = sqlite3.connect(self.archive / "media.sqlite")
            for *key, state, reason, path in database.execute("select kind, id, letter, state, reason, path from file"):
                self.rows[tuple(key)] = (state, reason, path)
            database.close()

    def count(self, word: str) -> int:
        self.counters[word] += 1
        return self.counters[word]

    def free(self, path: str) -> str:
        number, found = 0, path
        while found in self.files:
            number += 1
            dot = path.find(".")
            found = f"{path} ({number})" if dot < 0 else f"{path[:dot]} ({number}){path[dot:]}"
        return found

    def place(self, key: tuple[str, int, str], path: str, inline: bytes | None) -> str:
        if key in self.placed:
            return self.placed[key]
        if inline is None:
            state, reason, source = self.rows.get(key, ("skipped", "", ""))
            if state == "skipped":
                return TOO_BIG if reason == "larger than --max-size" else LEFT_OUT
            if state != "done":
                return GONE
            inline = (self.archive / "media" / source).read_bytes()
        self.placed[key] = path = self.free(path)
        self.files[path] = inline
        return path


class Files:
    """What `Expected` writes for photos and documents."""

    shelf: Shelf

    def stamp(self, moment: int) -> str:
        raise TypeError

    def _messageMediaPhoto(self, x: Tl, m: Tl, sender: int) -> Pairs:
        return [*self.photo(x.get("photo"), m["date"], "ttl_seconds" in x), *self.ending(x)]

    def ending(self, x: Tl) -> Pairs:
        ttl = x.get("ttl_seconds")
        return [("media_spoiler", True if "spoiler" in x else ""), ("self_destruct_period_seconds", ttl or "")]

    def photo(self, photo: Tl | None, date: int, gone: bool = False) -> Pairs:
        if photo is None:
            return [("photo", GONE), ("photo_file_size", 0)]
        number = self.shelf.count("photo")
        ordinary = [
            s for s in photo.get("sizes", []) if s["_"] in ("photoSize", "photoCachedSize", "photoSizeProgressive")
        ]
        if not ordinary:
            return [("photo", GONE), ("photo_file_size", 0)]
        best = sorted(ordinary, key=lambda s: -s["w"] * s["h"])[0]
        path, size = GONE, 0
        if not gone:
            inline = base64.b64decode(best["bytes"]) if "bytes" in best else None
            size = len(inline) if inline is not None else best["size"] if "size" in best else best["sizes"][-1]
            key = ("photo", photo["id"], best["type"])
            path = self.shelf.place(key, f"photos/photo_{number}{self.stamp(date)}.jpg", inline)
        seen = best["w"] and best["h"]
        return [
            ("photo", path),
            ("photo_file_size", size),
            ("width", best["w"] if seen else ""),
            ("height", best["h"] if seen else ""),
        ]

    def _messageMediaDocument(self, x: Tl, m: Tl, sender: int) -> Pairs:
        d = x.get("document", {"_": "documentEmpty"})
        if d["_"] == "documentEmpty":
            return [("file", GONE), ("file_size", 0), *self.ending(x)]
        gone = "ttl_seconds" in x
        has: dict[str, Tl] = {}
        width = height = duration = 0
        for a in d["attributes"]:
            name = a["_"].removeprefix("documentAttribute")
            name += "+" if "round_message" in a or "voice" in a else ""
            has[name] = a
            width, height = (a["w"], a["h"]) if "w" in a else (width, height)
            duration = int(a.get("duration", duration))
        own = has.get("Filename", {}).get("file_name", "")
        folder = next(
            (
                f
                for name, f in (
                    ("Video", "video_files"),
                    ("Animated", "animations"),
                    ("Sticker", "stickers"),
                    ("CustomEmoji", "stickers"),
                    ("Audio+", "voice_messages"),
                    ("Video+", "round_video_messages"),
                )
                if name in has
            ),
            "files",
        )
        name = self.safe(own or self.nameless(d["mime_type"], has, m["date"]))
        path = GONE if gone else self.shelf.place(("document", d["id"], ""), f"{folder}/{name}", None)
        kind = next(
            (
                k
                for name, k in (
                    ("Sticker", "sticker"),
                    ("CustomEmoji", "sticker"),
                    ("Video+", "video_message"),
                    ("Audio+", "voice_message"),
                    ("Animated", "animation"),
                    ("Video", "video_file"),
                    ("Audio", "audio_file"),
                )
                if name in has
            ),
            "",
        )
        more: Pairs = []
        if kind == "sticker":
            more = [("sticker_emoji", (has.get("CustomEmoji") or has["Sticker"])["alt"])]
        elif kind == "audio_file":
            more = [("performer", has["Audio"].get("performer", "")), ("title", has["Audio"].get("title", ""))]
        seen = width and height
        return [
            ("file", path),
            ("file_name", own),
            ("file_size", 0 if gone else d["size"]),
            *self.thumbnail(d, f"{folder}/{name}", gone and "out" not in m),
            ("media_type", kind),
            *more,
            ("mime_type", d["mime_type"]),
            ("duration_seconds", duration or ""),
            ("width", width if seen else ""),
            ("height", height if seen else ""),
            *self.ending(x),
        ]

    def nameless(self, mime: str, has: dict[str, Tl], date: int) -> str:
        endings = {
            "video/mp4": ".mp4",
            "video/webm": ".webm",
            "image/webp": ".webp",
            "audio/mpeg": ".mp3",
            "audio/ogg": ".ogg",
            "application/x-tgsticker": ".tgs",
            "image/jpeg": ".jpg",
            "image/png": ".png",
            "application/pdf": ".pdf",
            "video/quicktime": ".mov",
            "image/gif": ".gif",
            "text/plain": ".txt",
            "application/zip": ".zip",
            "application/x-tgwallpattern": ".tgv",
            "video/x-matroska": ".mkv",
            "audio/mp4": ".m4a",
        }
        if "Audio+" in has:
            return f"audio_{self.shelf.count('audio')}{self.stamp(date)}" + (".mp3" if mime == "audio/mp3" else ".ogg")
        if "Video" in has:
            return f"video_{self.shelf.count('video')}{self.stamp(date)}{endings.get(mime, '.mov')}"
        return f"file_{self.shelf.count('file')}{self.stamp(date)}{endings.get(mime, '.unknown')}"

    @staticmethod
    def safe(name: str) -> str:
        bad = {
            *'/\\<>:"|?*',
            *map(chr, range(32)),
            *map(chr, (0x200E, 0x200F, 0x202A, 0x202B, 0x202D, 0x202E, 0x2066, 0x2067)),
        }
        name = "".join("_" if one in bad else one for one in name)
        stem, dot, ending = name.rpartition(".") if 0 < len(name.rpartition(".")[2].encode()) <= 40 else (name, "", "")
        if not stem:
            stem, dot, ending = name, "", ""
        while len(stem.encode()) > 200:
            stem = stem[:-1]
        name = stem + dot + ending
        return name + "_" if not name or name.endswith((" ", ".")) else name

    def thumbnail(self, d: Tl, path: str, lost: bool) -> Pairs:
        sizes = [(s.get("w", 0) * s.get("h", 0) if s["_"] != "photoPathSize" else 0, s) for s in d.get("thumbs", [])]
        if not sizes:
            return []
        best = next(s for area, s in sizes if area == max(a for a, _ in sizes))
        if best["_"] not in ("photoSize", "photoCachedSize", "photoSizeProgressive") or best["w"] < 1:
            return []
        inline = base64.b64decode(best["bytes"]) if "bytes" in best else None
        size = len(inline) if inline is not None else best["size"] if "size" in best else best["sizes"][-1]
        key = ("document", d["id"], best["type"])
        found = GONE if lost else self.shelf.place(key, path + "_thumb.jpg", inline)
        return [("thumbnail", found), ("thumbnail_file_size", 0 if lost else size)]
