"""Where Telegram keeps a file, as getFile wants to be told (spec/media-download.md 2)."""
from __future__ import annotations

from typing import Any

from telethon.tl import types

from stages.medium import Medium
from stages.telegram.chat import CHANNEL_MARK


def location(medium: Medium) -> Any:
    if medium.kind == "peer_photo":
        return types.InputPeerPhotoFileLocation(_peer(medium.peer, medium.access_hash), medium.id, big=True)
    kind = types.InputPhotoFileLocation if medium.kind == "photo" else types.InputDocumentFileLocation
    return kind(medium.id, medium.access_hash, medium.reference, medium.letter)


def _peer(marked_id: int, access_hash: int) -> Any:
    if marked_id > 0:
        return types.InputPeerUser(marked_id, access_hash)
    if marked_id > -CHANNEL_MARK:
        return types.InputPeerChat(-marked_id)
    return types.InputPeerChannel(-marked_id - CHANNEL_MARK, access_hash)
