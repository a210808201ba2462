"""Downloads beside each other: a real index hands them out and takes their outcomes, into real files; from a made server."""
from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from telethon.tl import types

from tgbulk.engine.error import LimitError, StorageError
from tgbulk.engine.metric import Meter
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.fetch.config import MediaConfig
from tgbulk.stages.fetch.error import AuthNeededError, FloodParkedError, UnreachableError
from tgbulk.stages.fetch.media import downloads as downloads_module
from tgbulk.stages.fetch.media.downloads import FILES, LARGE_FILES, Downloads
from tgbulk.stages.fetch.media.store import Store
from tgbulk.stages.protocol.event import Notice, Waiting
from tgbulk.stages.protocol.request import MediaBatch, MediaRequest
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.medium import FoundMedia, MediaSelection, MediaStated, Medium
from tgbulk.stages.write.media import Media

CHAT, ME, OTHER = -1000000000009, 77, 78
DATA = b"what Telegram has"
WANTED = MediaSelection(frozenset({"document"}))


class Pool:
    """Stands for the connections to one data centre; `answer` is the test's."""

    answer: Callable[[Pool, Any], Any]
    made: list[Pool]
    flying_files = most_files = 0

    def __init__(
        self, client: Any, access: Any, dc_id: int, most: int, takeout: Any, on_wait: Any, rate: Any, meter: Any, notify: Any
    ) -> None:
        self.given = client, access.account, dc_id, most, takeout, rate, meter
        self.on_wait, self.notify = on_wait, notify
        self.moves = self.flying = 0
        self.pausing = self.closed = False
        type(self).made.append(self)

    def bucket(self, _: str) -> Any:
        return SimpleNamespace(enter=self._enter)

    async def _enter(self) -> None:
        return None

    async def exchange(self, request: Any) -> Any:
        cls = type(self)
        cls.flying_files += 1
        cls.most_files = max(cls.most_files, cls.flying_files)
        try:
            found = cls.answer(self, request)
            if asyncio.iscoroutine(found):
                found = await found
            if isinstance(found, BaseException):
                raise found
        finally:
            cls.flying_files -= 1
        self.moves += 1
        return types.upload.File(types.storage.FileUnknown(), 0, DATA)

    async def close(self) -> None:
        self.closed = True


class Scene:
    """An archive, two accounts, and the media of one chat."""

    def __init__(self, root: Path, count: int, config: dict[str, Any], with_videos: bool = True) -> None:
        self.told: list[Any] = []
        self.met = 0
        archive = Archive(root)
        self.media = Media(archive, WANTED)
        self.media.begin(ChatRecord(CHAT, "channel", "Chat", ME), [])
        for number in range(1, count + 1):
            one = Medium("document", number, "", "document", len(DATA), 5, 2, f"document/{number}", 9, b"r", message=number)
            self.media.page(CHAT, ME, IdRange(number, number + 1), FoundMedia([one]))
        self.stopping = asyncio.Event()
        self.readers: list[Any] = [self._reader(number, me) for number, me in enumerate((ME, OTHER))]
        self.config = MediaConfig(root, WANTED, 3, **config)
        videos: Any = SimpleNamespace(met=self._videos_met) if with_videos else None
        write: Any = SimpleNamespace(media=self._ask)
        self.downloads = Downloads(
            self.readers, write, self.told.append, self.config, self.stopping, Meter(None), videos
        )

    def _reader(self, number: int, me: int) -> Any:
        access = SimpleNamespace(account=f"account{number}", server_name="Telegram")
        caller = SimpleNamespace(takeout=f"takeout {number}")
        return SimpleNamespace(number=number, me=me, client=f"client {number}", access=access, caller=caller, failure=None)

    def _videos_met(self) -> None:
        self.met += 1

    async def _ask(self, request: MediaRequest) -> MediaBatch:
        return self.media.ask(request)

    async def run(self) -> MediaStated:
        self.downloads.close()
        try:
            await self.downloads.run()
        finally:
            stated = self.media.close()
        return stated


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> type[Pool]:
    class Made(Pool):
        made: list[Pool] = []
        answer = staticmethod(lambda pool, request: None)

    monkeypatch.setattr(downloads_module, "Pool", Made)
    return Made


def ran(
    root: Path, count: int = 5, before: Callable[[Scene], None] = lambda _: None, **config: float
) -> tuple[Scene, MediaStated]:

    async def main() -> tuple[Scene, MediaStated]:
        scene = Scene(root, count, config)
        before(scene)
        return scene, await scene.run()

    return asyncio.run(main())


@pytest.mark.parametrize("large", [False, True])
def test_files_come_beside_each_other_few_of_them_large(
    tmp_path: Path, pool: type[Pool], monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    monkeypatch.setattr(downloads_module, "LARGE", len(DATA) - large)
    most = LARGE_FILES if large else FILES

    async def held() -> None:
        while pool.most_files < most:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)  # others would come here

    pool.answer = staticmethod(lambda made, request: held())
    scene, stated = ran(tmp_path, 3 * FILES)
    assert (stated.files, stated.waiting, stated.failed, scene.downloads.left) == (3 * FILES, 0, {}, False)
    assert stated.received == stated.bytes == 3 * FILES * len(DATA)
    assert {path.read_bytes() for path in (tmp_path / "media/document").iterdir()} == {DATA}
    assert pool.most_files == most
    assert [one.closed for one in pool.made] == [True]
    assert (scene.downloads.moves, scene.downloads.pausing) == (3 * FILES, False)
    assert scene.met > 0


def test_the_connections_of_an_account_to_a_data_centre(tmp_path: Path, pool: type[Pool]) -> None:
    """Are made once, and tell what they wait for."""
    scene, _ = ran(tmp_path, 5, rate=2.5)
    (one,) = pool.made
    assert one.given == ("client 0", "account0", 2, 3, "takeout 0", 2.5, scene.downloads._meter)
    one.on_wait("upload.getFile", 9)
    one.notify("out of reach")
    assert scene.told == [Waiting("account0", "upload.getFile", 9), Notice("out of reach")]
    found: list[Any] = [scene.downloads._pool(*key) for key in ((ME, 2), (ME, 4), (OTHER, 2))]
    assert found == pool.made
    assert scene.downloads._pool(99, 2) is None
    assert not scene.downloads.pausing
    pool.made[1].flying = 1
    assert scene.downloads.pausing
    pool.made[1].flying, pool.made[2].pausing = 0, True
    assert scene.downloads.pausing


def test_a_stop_leaves_what_is_not_there(tmp_path: Path, pool: type[Pool]) -> None:
    """What came until then is told of."""
    scenes: list[Scene] = []

    async def held() -> None:
        while scenes[0].downloads._feed.unanswered > 2 * FILES - 3:
            await asyncio.sleep(0.001)
        scenes[0].stopping.set()
        await asyncio.Event().wait()

    pool.answer = staticmethod(lambda made, request: held() if request.location.id > 3 else None)
    scene, stated = ran(tmp_path, 2 * FILES, scenes.append)
    assert scene.downloads.left
    assert (stated.files, stated.waiting, stated.failed) == (3, 2 * FILES - 3, {})
    assert pool.made[0].closed


def test_a_file_that_is_not_there_in_time_fails_alone(tmp_path: Path, pool: type[Pool]) -> None:
    pool.answer = staticmethod(
        lambda made, request: asyncio.Event().wait() if request.location.id == 2 else None
    )
    _, stated = ran(tmp_path, 3, deadline=0.5)
    assert (stated.files, stated.failed) == (2, {"not there after 0.5 s": 1})


@pytest.mark.parametrize("files", [1, 3])
def test_a_long_flood_wait_ends_the_downloads_and_not_the_run(tmp_path: Path, pool: type[Pool], files: int) -> None:
    parked = FloodParkedError(4000, "upload.getFile")
    pool.answer = staticmethod(lambda made, request: parked)
    scene, stated = ran(tmp_path, files)
    assert [one.text for one in scene.told] == [f"{parked}: the media that are left wait for the next run"]
    assert (stated.files, stated.waiting, scene.downloads.left) == (0, files, True)


@pytest.mark.parametrize("other", [False, True])
def test_an_account_whose_login_has_ended_is_asked_no_more(tmp_path: Path, pool: type[Pool], other: bool) -> None:
    """What it had under way fails for this run; the rest is asked for by another account that reads the chat."""
    lost = AuthNeededError("account0", "this login has ended")
    pool.answer = staticmethod(lambda made, request: lost if made.given[1] == "account0" else None)
    asked: list[Any] = []

    def before(scene: Scene) -> None:
        async def call(request: Any) -> Any:
            asked.append(request)
            media = [types.Document(one.id, 9, b"fresh", None, "", len(DATA), 2, []) for one in request.id]
            messages = [
                types.Message(one.id, types.PeerChannel(9), None, "", media=types.MessageMediaDocument(document=held))
                for one, held in zip(request.id, media, strict=True)
            ]
            return SimpleNamespace(messages=messages)

        for reader in scene.readers:
            reader.caller.call = call
        scene.downloads.know(CHAT, {0: types.InputPeerChannel(9, 1), **({1: types.InputPeerChannel(9, 2)} if other else {})})
        assert scene.met == 1

    scene, stated = ran(tmp_path, 3 * FILES, before)
    assert scene.downloads._out == {ME}
    assert scene.downloads._pool(ME, 2) is None
    failed = stated.failed.pop(str(lost))
    if other:
        assert (stated.files, stated.failed, failed < 3 * FILES) == (3 * FILES - failed, {}, True)
        assert {one.channel.access_hash for one in asked} == {2}
    else:
        assert stated.failed == {"no account is at work that can ask for it": 3 * FILES - failed}
        assert asked == []


def test_what_an_account_is_out_for(tmp_path: Path, pool: type[Pool]) -> None:
    """A flood wait of the history is none of the media's business."""

    def before(scene: Scene) -> None:
        scene.readers[0].failure = FloodParkedError(4000, "messages.getHistory")
        scene.readers[1].failure = AuthNeededError("account1", "this login has ended")
        scene.downloads.know(CHAT, {0: "peer 0", 1: "peer 1"})
        assert [(one.reader.number, one.peer) for one in scene.downloads._sources(CHAT)] == [(0, "peer 0")]
        assert scene.downloads._sources(-5) == []
        assert scene.downloads._pool(OTHER, 2) is None

    _, stated = ran(tmp_path, 3, before)
    assert stated.files == 3


def test_a_data_centre_that_is_out_of_reach_fails_its_files_alone(tmp_path: Path, pool: type[Pool]) -> None:
    away = UnreachableError("data centre 2", "it does not answer")
    pool.answer = staticmethod(lambda made, request: away if request.location.id == 2 else None)
    _, stated = ran(tmp_path, 3)
    assert (stated.files, stated.failed) == (2, {str(away): 1})


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EISDIR])
def test_a_disk_that_fails_ends_the_run_and_a_name_that_cannot_be_had_its_file(
    tmp_path: Path, pool: type[Pool], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    keep = Store.keep

    def failing(store: Store, path: str, data: bytes, date: int) -> bytes:
        if path == "document/2":
            raise OSError(number, "as the disk says")
        return keep(store, path, data, date)

    monkeypatch.setattr(Store, "keep", failing)
    if number == errno.EISDIR:
        _, stated = ran(tmp_path, 3)
        assert (stated.files, stated.failed) == (2, {"it cannot be written: as the disk says": 1})
    else:
        with pytest.raises(StorageError, match="media/document/2: as the disk says"):
            ran(tmp_path, 3)
        assert pool.made[0].closed


@pytest.mark.parametrize("error", [StorageError("archive", "no more"), LimitError("no more", "allow more")], ids=repr)
def test_what_is_about_the_whole_archive_or_machine_ends_the_run(
    tmp_path: Path, pool: type[Pool], error: Exception
) -> None:
    pool.answer = staticmethod(lambda made, request: error)
    with pytest.raises(type(error), match="no more"):
        ran(tmp_path, 3)


def test_a_connection_that_is_lost_is_no_stop(tmp_path: Path, pool: type[Pool]) -> None:
    """Telethon cancels whoever waits on it."""
    pool.answer = staticmethod(lambda made, request: asyncio.CancelledError())
    with pytest.raises(UnreachableError, match="Telegram cannot be used: the connection was lost"):
        ran(tmp_path, 3)


def test_a_folder_that_cannot_be_had_is_named(tmp_path: Path, pool: type[Pool]) -> None:
    def before(scene: Scene) -> None:
        (tmp_path / "media").rmdir()
        (tmp_path / "media").write_text("a file")
        with pytest.raises(StorageError, match="media"):
            Downloads(scene.readers, scene.downloads._write, print, scene.config, scene.stopping, Meter(None))
        (tmp_path / "media").unlink()
        (tmp_path / "media").mkdir()

    ran(tmp_path, 1, before)


def test_pages_that_come_later_are_downloaded_too(tmp_path: Path, pool: type[Pool]) -> None:
    """Until close() says that none will."""

    async def main() -> MediaStated:
        scene = Scene(tmp_path, 1, {})
        running = asyncio.create_task(scene.downloads.run())
        scene.downloads.met()
        while not (tmp_path / "media/document/1").exists():
            await asyncio.sleep(0.01)
        one = Medium("document", 2, "", "document", len(DATA), 5, 2, "document/2", 9, b"r", message=2)
        scene.media.page(CHAT, ME, IdRange(2, 3), FoundMedia([one]))
        scene.downloads.met()
        while not (tmp_path / "media/document/2").exists():
            await asyncio.sleep(0.01)
        assert not running.done()
        scene.downloads.close()
        await running
        return scene.media.close()

    assert asyncio.run(main()).files == 2


def test_where_videos_are_left_alone_nobody_hears_of_files(tmp_path: Path, pool: type[Pool]) -> None:
    async def main() -> MediaStated:
        scene = Scene(tmp_path, 3, {}, with_videos=False)
        scene.downloads.know(CHAT, {})
        stated = await scene.run()
        assert scene.met == 0
        return stated

    assert asyncio.run(main()).files == 3


@pytest.mark.parametrize("fails", [True, False])
def test_of_files_that_are_there_videos_hear_and_of_others_not(tmp_path: Path, pool: type[Pool], fails: bool) -> None:
    away = UnreachableError("data centre 2", "it does not answer")
    pool.answer = staticmethod(lambda made, request: away if fails else None)
    scene, stated = ran(tmp_path, 3)
    assert (stated.files, scene.met > 0) == ((0, False) if fails else (3, True))


def test_too_many_open_files_end_the_run(tmp_path: Path, pool: type[Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no matter of the one file that met it."""
    def failing(*_: object) -> None:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr(Store, "keep", failing)
    with pytest.raises(LimitError, match="too many open files"):
        ran(tmp_path, 3)
    assert pool.made[0].closed


def test_an_error_without_a_number_is_told_as_it_is(
    tmp_path: Path, pool: type[Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise OSError("as it says")

    monkeypatch.setattr(Store, "keep", failing)
    _, stated = ran(tmp_path, 1)
    assert stated.failed == {"it cannot be written: as it says": 1}


def test_a_stop_before_anything_is_asked_leaves_everything(tmp_path: Path, pool: type[Pool]) -> None:
    def stop(scene: Scene) -> None:
        assert not scene.downloads.left
        scene.stopping.set()

    scene, stated = ran(tmp_path, 3, stop)
    assert (stated.files, stated.waiting, scene.downloads.left, scene.downloads.moves) == (0, 3, True, 0)
