"""Downloads: alignment, file references, the right data centre."""
from __future__ import annotations

import time
from typing import Any

import pytest
from telethon import errors
from telethon.tl import functions, types

from support.wire import SIZE, SMALL_SIZE, document, logged_in, run, wire_world
from tgbulk.perf.simdc.reference import current, verdict
from tgbulk.perf.simdc.server import MEDIA_DC, Server
from tgbulk.perf.simdc.view import View

MIB = 1 << 20
KIB = 1 << 10


def reference(server: Server, index: int = 0) -> bytes:
    return current(server.world.accounts[index], time.time())


def get(location: Any, offset: int, limit: int, precise: bool = False) -> functions.upload.GetFileRequest:
    return functions.upload.GetFileRequest(location, offset, limit, precise)


def test_telethon_downloads_from_both_data_centres() -> None:
    async def check(server: Server) -> None:
        files = server.world.files
        async with logged_in(server) as client:
            for number, size in ((1, SIZE), (2, SMALL_SIZE)):
                where = document(server, number, reference(server))
                data = await client.download_file(where, dc_id=files["document", number, ""].dc_id, file_size=size)
                assert data == files["document", number, ""].read(0, size)
            # without dc_id it starts at home and follows FILE_MIGRATE
            assert len(await client.download_file(document(server, 1, reference(server)))) == SIZE

    run(check)


@pytest.mark.parametrize(
    ("offset", "limit", "precise", "error"),
    [
        (0, 4 * KIB, False, None),
        (MIB, MIB, False, None),
        (4 * KIB, 4 * KIB, False, None),
        (3 * MIB, 512 * KIB, False, None),
        (8 * MIB, 512 * KIB, False, None),
        (KIB, 3 * KIB, True, None),
        (0, MIB, True, None),
        (-4096, 4 * KIB, False, errors.OffsetInvalidError),
        (KIB, 4 * KIB, False, errors.OffsetInvalidError),
        (100, KIB, True, errors.OffsetInvalidError),
        (0, 0, False, errors.LimitInvalidError),
        (0, 2 * MIB, False, errors.LimitInvalidError),
        (0, 12 * KIB, False, errors.LimitInvalidError),
        (0, KIB, False, errors.LimitInvalidError),
        (0, 100, True, errors.LimitInvalidError),
        (MIB - 4 * KIB, 8 * KIB, False, errors.LimitInvalidError),
        (MIB - KIB, 2 * KIB, True, errors.LimitInvalidError),
    ],
)
def test_alignment(offset: int, limit: int, precise: bool, error: type[Exception] | None) -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            sender = await client._borrow_exported_sender(MEDIA_DC)
            request = get(document(server, 1, reference(server)), offset, limit, precise)
            if error is None:
                part = await client._call(sender, request)
                assert part.bytes == server.world.files["document", 1, ""].read(offset, limit)
            else:
                with pytest.raises(error):
                    await client._call(sender, request)
            await client._return_exported_sender(sender)

    run(check)


def test_wrong_places_and_references() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            with pytest.raises(errors.FileMigrateError) as migrate:
                await client(get(document(server, 1, reference(server)), 0, 4 * KIB))
            assert migrate.value.new_dc == MEDIA_DC
            strange = document(server, 2, reference(server))
            strange.access_hash += 1
            for location in (document(server, 99, reference(server)), strange):
                with pytest.raises(errors.LocationInvalidError):
                    await client(get(location, 0, 4 * KIB))
            with pytest.raises(errors.FileReferenceEmptyError):
                await client(get(document(server, 2, b""), 0, 4 * KIB))
            for wrong in (b"x" * 24, b"x", reference(server, 1)):
                with pytest.raises(errors.FileReferenceInvalidError):
                    await client(get(document(server, 2, wrong), 0, 4 * KIB))
            server.ledger.reference_lifetime = -2
            with pytest.raises(errors.FileReferenceExpiredError):
                await client(get(document(server, 2, reference(server)), 0, 4 * KIB))

    run(check)


def test_photos_and_the_kinds_of_files() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            media_hash = server.world.media_hash(server.world.accounts[0])
            photo = types.InputPhotoFileLocation(3, media_hash, reference(server), "y")
            assert isinstance((await client(get(photo, 0, 4 * KIB))).type, types.storage.FileJpeg)
            png = await client(get(document(server, 2, reference(server)), 0, 4 * KIB))
            assert isinstance(png.type, types.storage.FilePng)
            peer = types.InputPeerPhotoFileLocation(types.InputPeerSelf(), 4, big=True)
            assert len((await client(get(peer, 0, 4 * KIB))).bytes) == 203
            seen = View.of(server.world, server.world.accounts[0]).min_user(102)
            peer = types.InputPeerPhotoFileLocation(types.InputPeerUser(102, seen.access_hash), 4, big=True)
            assert len((await client(get(peer, 0, 4 * KIB))).bytes) == 203
            peer.peer.access_hash += 1
            with pytest.raises(errors.PeerIdInvalidError):
                await client(get(peer, 0, 4 * KIB))

    run(check)


def test_references_belong_to_an_account_and_expire() -> None:
    first, second = wire_world().accounts
    made = current(first, 1_000_000.7)
    assert len(made) == 24
    assert made == current(first, 1_000_000.2) != current(first, 1_000_001)
    assert verdict(made, first, 1_000_060, lifetime=60) is None
    assert verdict(made, first, 1_000_061, lifetime=60) == "EXPIRED"
    assert verdict(made, second, 1_000_000) == "INVALID"
    assert verdict(b"", first, 0) == "EMPTY"
