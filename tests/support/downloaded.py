"""An archive with downloaded files, as write leaves it."""
from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.protocol.request import MediaRequest
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.medium import FoundMedia, MediaOutcome, MediaSelection, Medium
from tgbulk.stages.write.media import Media

CHAT, ME = -1000000000009, 77
DATA = b"what was downloaded"


def downloaded(root: Path, *names: str) -> Archive:
    """An archive with these files, all of the same bytes."""
    archive = Archive(root)
    archive.open().release()
    media = Media(archive, MediaSelection(frozenset({"document"})))
    media.begin(ChatRecord(CHAT, "channel", "Chat", ME), [])
    for number, name in enumerate(names, 1):
        one = Medium("document", number, "", "document", len(DATA), 5, 2, f"document/{name}", 9, message=number)
        media.page(CHAT, ME, IdRange(number, number + 1), FoundMedia([one]))
        path = root / "media" / "document" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DATA)
    digest = sha256(DATA).digest()
    for item in media.ask(MediaRequest([], 0, True)).items:
        media.ask(MediaRequest([MediaOutcome(item.number, "done", "", len(DATA), digest)], 0, False))
    media.commit()
    media.close()
    return archive
