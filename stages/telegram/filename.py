"""Where a medium lies below media/, by what Telegram says of it alone; remote names are hostile input.

    <category>/<last byte of the id, hexadecimal>/<id>_<name>

The id makes the name unique, also where upper and lower case are one, so that nobody needs to look what is there. The rules
for names are those of docs/spec/media-download.md 9.
"""
from __future__ import annotations

import re
import unicodedata

#: Bytes of a file's name, which leaves room for what others append.
LIMIT = 200
#: Bytes of an extension that is kept when a name is cut.
_EXTENSION = 16

#: Control characters, bidirectional marks, line separators, a byte order mark; and what is not allowed in names somewhere.
_UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff<>:"|?*/\\\\]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)
_LAUNCHER = re.compile(r"\.(lnk|scf|url|desktop)$", re.IGNORECASE)
_PLAIN_EXTENSION = re.compile(r"\.\w+$", re.ASCII)

_EXTENSIONS = {
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/msword": ".doc",
    "application/pdf": ".pdf",
    "application/vnd.android.package-archive": ".apk",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/x-7z-compressed": ".7z",
    "application/x-rar": ".rar",
    "application/x-tar": ".tar",
    "application/x-tgsticker": ".tgs",
    "application/x-tgwallpattern": ".tgv",
    "application/zip": ".zip",
    "audio/aac": ".aac",
    "audio/flac": ".flac",
    "audio/m4a": ".m4a",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
    "audio/mpeg3": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "audio/x-flac": ".flac",
    "audio/x-wav": ".wav",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tiff",
    "image/webp": ".webp",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "video/mp4": ".mp4",
    "video/mpeg": ".mpeg",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi",
}
_NO_EXTENSION = ".bin"


def extension(mime_type: str) -> str:
    """The ending of files of this type, with its dot; "" where it is not known."""
    return _EXTENSIONS.get(mime_type.lower(), "")


def media_path(category: str, number: int, name: str, mime_type: str = "", letter: str = "") -> str:
    """The path of a file; without a name of its own it is called by its id, its size letter and its type."""
    ending = extension(mime_type)
    head = f"{number}_{letter}" if letter else str(number)
    safe = safe_name(name, LIMIT - len(head) - 1 - len(ending))
    if safe and not _PLAIN_EXTENSION.search(safe):
        safe += ending
    return f"{category}/{number & 0xFF:02x}/" + (f"{head}_{safe}" if safe else head + (ending or _NO_EXTENSION))


def safe_name(name: str, limit: int = LIMIT) -> str:
    """A remote name made harmless as one component of a path, at most `limit` bytes; "" where nothing is left of it."""
    name = re.split(r"[/\\]", name.replace("\0", ""))[-1]
    name = _trimmed(_UNSAFE.sub("_", unicodedata.normalize("NFC", name)))
    if not name.strip("."):
        return ""
    if _RESERVED.match(name):
        name = "_" + name
    if _LAUNCHER.search(name):
        name += ".download"
    return _cut(name, limit)


def _trimmed(name: str) -> str:
    return name.strip(" ").rstrip(". ")


def _cut(name: str, limit: int) -> str:
    """At most so many bytes, on a border of characters, with its extension."""
    if len(_bytes(name)) <= limit:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(_bytes(extension)) > _EXTENSION:
        stem, dot, extension = name, "", ""
    room = limit - len(_bytes(dot + extension))
    return _trimmed(_bytes(stem)[:room].decode("utf-8", "ignore")) + dot + extension


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
