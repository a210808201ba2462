"""The files behind photos and documents."""
from __future__ import annotations

import hashlib
import shutil
import subprocess
from typing import Any

import pytest

from tgbulk.perf.simdc.corpus.build import build_world
from tgbulk.perf.simdc.corpus.clip import _ffmpeg, clips, unique
from tgbulk.perf.simdc.corpus.file import BLOCK, SeededFile
from tgbulk.perf.simdc.corpus.filename import HOSTILE
from tgbulk.perf.simdc.corpus.line import converted, nested
from tgbulk.perf.simdc.corpus.stock import SIZES
from tgbulk.perf.simdc.truth import media
from tgbulk.perf.simdc.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(1)


@pytest.fixture(scope="module")
def items(world: World) -> list[dict[str, Any]]:
    """Every photo and document that any message has."""
    found = []
    histories = [*world.histories.values(), *(h for a in world.accounts for h in a.histories.values())]
    for history in histories:
        for message_id in history.ids(0, len(history)):
            found += [i for i in nested(converted(history.message(message_id), 5)) if i["_"] in ("photo", "document")]
    return found


def test_every_size_is_the_files_own(world: World, items: list[dict[str, Any]]) -> None:
    for item in items:
        assert item["access_hash"] == 5
        if item["_"] == "document":
            assert world.files[("document", item["id"], "")].size == item["size"]
        for name in ("sizes", "thumbs", "video_sizes", "video_thumbs"):
            for size in item.get(name, []):
                if size["_"] in ("photoSize", "photoSizeProgressive", "videoSize"):
                    file = world.files[(item["_"], item["id"], size["type"])]
                    assert file.size == size.get("size") or file.size == size["sizes"][-1]
                    assert file.dc_id == item["dc_id"]


def test_sizes_names_and_data_centres(items: list[dict[str, Any]]) -> None:
    documents = [i for i in items if i["_"] == "document"]
    assert set(SIZES) <= {d["size"] for d in documents}
    names = {a["file_name"] for d in documents for a in d["attributes"] if a["_"] == "documentAttributeFilename"}
    assert set(HOSTILE) <= names
    assert {i["dc_id"] for i in items} == {2, 4}


def test_media_truth_names_the_bytes(world: World) -> None:
    account = world.accounts[0]
    chat = world.usernames["sim_kinds"]
    entries = list(media(world, account, chat))
    assert len({e["id"] for e in entries}) > 50
    for entry in entries[::10]:
        file = world.files[(entry["kind"], entry["id"], entry["letter"])]
        assert hashlib.sha256(file.read(0, file.size)).hexdigest() == entry["sha256"]


def test_profile_photos_have_both_sizes(world: World) -> None:
    for peer in [*world.users.values(), *world.chats.values()]:
        number = getattr(getattr(peer, "photo", None), "photo_id", None)
        if number is not None:
            assert {world.files[("peer_photo", number, letter)].dc_id for letter in "ac"} == {peer.photo.dc_id}


def test_seeded_bytes_do_not_depend_on_how_they_are_read() -> None:
    file = SeededFile(2, 3 * BLOCK + 17, "x")
    whole = file.read(0, file.size)
    assert len(whole) == file.size
    assert b"".join(file.read(o, 4096) for o in range(0, file.size, 4096)) == whole
    assert file.read(file.size, 4096) == b""
    assert file.read(BLOCK - 1, 2) == whole[BLOCK - 1:BLOCK + 1]
    assert file.sha256() == hashlib.sha256(whole).hexdigest()
    assert SeededFile(2, 4096, "x").read(0, 4096) == SeededFile(4, 9000, "x").read(0, 4096)


@pytest.mark.skipif(_ffmpeg() is None, reason="no ffmpeg")
def test_clips_are_what_they_say() -> None:
    made = clips()
    assert made.real
    assert all(p.startswith(b"\xff\xd8\xff") and p.endswith(b"\xff\xd9") for p in made.pictures.values())
    assert all(m[4:8] == b"ftyp" for m in (made.mp4, made.turned, made.round, made.silent))
    assert made.webm.startswith(b"\x1a\x45\xdf\xa3")
    assert made.voice.startswith(b"OggS")
    assert all(len(d) < 100_000 for d in (made.mp4, made.turned, made.round, made.silent, made.webm, made.voice))
    assert made.turned != made.mp4


@pytest.mark.skipif(_ffmpeg() is None, reason="no ffmpeg")
@pytest.mark.parametrize("name", ["mp4", "turned", "round", "silent", "webm", "voice", "picture"])
def test_a_decoder_reads_them(name: str) -> None:
    made = clips()
    data = made.pictures["x"] if name == "picture" else getattr(made, name)
    data = unique(data, b"label")
    program = _ffmpeg()
    assert program is not None
    command = [program, "-v", "error", "-i", "pipe:0", "-f", "null", "-"]
    result = subprocess.run(command, input=data, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="no ffprobe")
def test_the_upright_video_is_turned() -> None:
    command = ["ffprobe", "-v", "error", "-show_streams", "-select_streams", "v", "-of", "json", "pipe:0"]
    result = subprocess.run(command, input=clips().turned, capture_output=True, check=True)
    assert b"rotation" in result.stdout
