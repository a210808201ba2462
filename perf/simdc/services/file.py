"""upload.getFile."""
from __future__ import annotations

import time
from typing import Any

from telethon.tl import types
from telethon.tl.functions.upload import GetFileRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.peer import known
from tgbulk.perf.simdc.reference import verdict
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import StoredFile

BLOCK = 1 << 20
#: Offsets and limits are multiples of this, in ordinary and in precise requests.
STEP, PRECISE_STEP = 4096, 1024
#: Size letters of the big and of the small picture of a peer.
BIG, SMALL = "c", "a"

#: position and bytes by which the beginning of a file tells its kind
_MAGIC: tuple[tuple[int, bytes, type[Any]], ...] = (
    (0, b"\xff\xd8\xff", types.storage.FileJpeg),
    (0, b"\x89PNG", types.storage.FilePng),
    (0, b"GIF8", types.storage.FileGif),
    (8, b"WEBP", types.storage.FileWebp),
    (4, b"ftyp", types.storage.FileMp4),
    (0, b"ID3", types.storage.FileMp3),
)


@serves(GetFileRequest)
def get_file(call: Call, request: GetFileRequest) -> types.upload.File:
    """Bytes of a file, fewer than asked for at its end.

    400 OFFSET_INVALID, LIMIT_INVALID, LOCATION_INVALID, FILE_REFERENCE_EMPTY, _EXPIRED, _INVALID; 303 FILE_MIGRATE_X.
    """
    check_range(request.offset, request.limit, bool(request.precise))
    file = _locate(call, request.location)
    if file.dc_id != call.dc_id:
        raise RpcError(303, f"FILE_MIGRATE_{file.dc_id}")
    data = file.read(request.offset, request.limit) if request.offset < file.size else b""
    return types.upload.File(_kind(data) if request.offset == 0 else types.storage.FilePartial(), 0, data)


def check_range(offset: int, limit: int, precise: bool) -> None:
    """The alignment rules of core.telegram.org/api/files. RpcError 400 OFFSET_INVALID, LIMIT_INVALID."""
    step = PRECISE_STEP if precise else STEP
    if offset < 0 or offset % step:
        raise RpcError(400, "OFFSET_INVALID")
    if not 0 < limit <= BLOCK or limit % step or (not precise and BLOCK % limit):
        raise RpcError(400, "LIMIT_INVALID")
    if offset // BLOCK != (offset + limit - 1) // BLOCK:
        raise RpcError(400, "LIMIT_INVALID")


def _locate(call: Call, location: Any) -> StoredFile:
    if isinstance(location, types.InputPeerPhotoFileLocation):
        _check_peer(call, location.peer)
        return _file(call, "peer_photo", location.photo_id, BIG if location.big else SMALL)
    if isinstance(location, types.InputPhotoFileLocation):
        kind = "photo"
    elif isinstance(location, types.InputDocumentFileLocation):
        kind = "document"
    else:
        raise RpcError(400, "LOCATION_INVALID")
    if location.access_hash != call.world.media_hash(call.account):
        raise RpcError(400, "LOCATION_INVALID")
    wrong = verdict(location.file_reference, call.account, time.time(), call.ledger.reference_lifetime)
    if wrong is not None:
        raise RpcError(400, f"FILE_REFERENCE_{wrong}")
    return _file(call, kind, location.id, location.thumb_size)


def _check_peer(call: Call, peer: Any) -> None:
    """A peer's picture is also shown to those who know the user as a min object only."""
    user = call.world.users.get(peer.user_id) if isinstance(peer, types.InputPeerUser) else None
    if isinstance(user, types.User):
        shown = View.of(call.world, call.account).min_user(user.id)
        if shown.access_hash == peer.access_hash:
            return
    known(call, peer)


def _file(call: Call, kind: str, file_id: int, letter: str) -> StoredFile:
    file = call.world.files.get((kind, file_id, letter))
    if file is None:
        raise RpcError(400, "LOCATION_INVALID")
    return file


def _kind(data: bytes) -> Any:
    for position, magic, kind in _MAGIC:
        if data.startswith(magic, position):
            return kind()
    return types.storage.FileUnknown()
