"""Write's side of videos: what is handed out, what is remembered, and when an original goes."""
from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tgbulk.engine.frame import pack, unpack
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.video import TranscodeResult, VideosStated
from tgbulk.stages.protocol.request import MediaRequest, VideoBatch, VideoRequest
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.medium import FoundMedia, MediaOutcome, MediaSelection, Medium, VideoFile
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.write.media import Media

CHAT = -1000000000009
AUTO = TranscodeConfig()
REPLACE = TranscodeConfig(keep_original=False)
SHA = bytes(32)


class Index:
    """media/ and its index, opened again as often as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.archive = Archive(folder)
        self.path = self.archive.media_index
        self.folder = self.archive.media

    def open(self, videos: TranscodeConfig = AUTO, chat: int = CHAT) -> Media:
        media = Media(self.archive, MediaSelection(frozenset({"video", "document"})), videos.policy)
        media.begin(ChatRecord(chat, "supergroup", "Chat", 77), [])
        return media

    def files(self, *paths: str) -> Media:
        """Opened, with these files done by this run, numbered from 1 on."""
        media = self.open()
        rows = []
        for number, path in enumerate(paths, 1):
            (self.folder / path).parent.path.mkdir(parents=True, exist_ok=True)
            (self.folder / path).path.write_bytes(b"video")
            rows.append(Medium("document", number, "", path.split("/")[0], 4, 5, 2, path, 4, b"r", message=1))
        media.page(CHAT, 77, IdRange(1, 2), FoundMedia(rows))
        done = [MediaOutcome(number, "done", "", 4, SHA) for number in range(1, len(paths) + 1)]
        media.ask(MediaRequest(done, 0, False))
        return media

    def originals(self) -> list[int]:
        database = sqlite3.connect(self.path)
        try:
            return [one for one, in database.execute("select original from film order by file")]
        finally:
            database.close()


@pytest.fixture
def archive(tmp_path: Path) -> Index:
    return Index(tmp_path)


def ask(media: Media, *results: TranscodeResult, cursor: int = 0) -> VideoBatch:
    batch: VideoBatch = unpack(pack(media.ask_videos(unpack(pack(VideoRequest(list(results), cursor, True))))))
    return batch


def close(media: Media) -> VideosStated:
    stated = media.videos_stated()
    assert stated is not None
    media.close()
    return stated


def numbers(batch: VideoBatch) -> list[int]:
    return [file.number for file in batch.items]


def result(number: int, outcome: str = "kept", failure: str = "", replaced: bool = False) -> TranscodeResult:
    done = outcome == "done"
    return TranscodeResult(number, "", SHA.hex(), 4, outcome, "transcode" if done else "skip", "why", failure,
                           "libx264" if done else "", "", 3 if done else 0, SHA.hex() if done else "", replaced)


def test_videos_are_handed_out_once(archive: Index) -> None:
    media = archive.files("video/1_a.mp4", "document/2_b.pdf", "document/3_C.MKV", *(f"video/{n}_x.mp4" for n in range(250)))
    found: list[int] = []
    while batch := numbers(ask(media)):
        assert len(batch) <= 100
        found += batch
    assert sorted(found) == [1, *range(3, 254)]
    assert close(media).waiting == 252
    assert len(numbers(ask(archive.open()))) == 100


def test_files_of_earlier_runs_and_of_this_runs_chats_alone(archive: Index) -> None:
    close(archive.files("video/1_a.mp4"))
    other = archive.open(chat=CHAT - 1)
    assert numbers(ask(other)) == []
    close(other)
    first = archive.open()
    assert ask(first).items == [VideoFile(1, "video/1_a.mp4", "video", 4, SHA.hex())]
    assert numbers(ask(first)) == []


def test_what_is_settled_is_not_asked_for_again(archive: Index) -> None:
    media = archive.files(*(f"video/{n}_x.mp4" for n in range(1, 6)))
    ask(media, result(1), result(2, "failed", "input"), result(3, "failed", "space"), result(4, "stopped", "stopped"),
        result(5, "done"))
    assert media.progress().videos == 5
    stated = close(media)
    assert (stated.kept, stated.failed, stated.done, stated.waiting) == ({"skip": 1}, {"input": 1, "space": 1}, 1, 1)
    again = archive.open()
    assert numbers(ask(again)) == [3, 4]
    again.abandon()
    assert numbers(ask(archive.open(TranscodeConfig(height=720)))) == [1, 2, 3, 4, 5]


def test_an_original_goes_when_its_video_is_durable(archive: Index) -> None:
    original, video = archive.folder / "video/1_a.webm", archive.folder / "video/1_a.h264.mp4"
    close(archive.files("video/1_a.webm"))
    video.path.write_bytes(b"mp4")
    media = archive.open(REPLACE)
    ask(media, result(1, "done", replaced=True))
    assert original.exists()
    media.abandon()  # killed before the commit
    assert (original.exists(), archive.originals()) == (True, [])
    media = archive.open(REPLACE)
    assert numbers(ask(media, result(1, "done", replaced=True))) == []
    media.commit()
    assert not original.exists()
    assert close(media).replaced == 1
    assert archive.originals() == [2]
    for videos in (AUTO, REPLACE, TranscodeConfig(height=720)):
        media = archive.open(videos)
        assert (numbers(ask(media)), close(media).waiting) == ([], 0)


@pytest.mark.parametrize(("video", "left"), [(b"mp4", False), (b"", True), (None, True)])
def test_a_run_killed_between_the_commit_and_the_deletion(archive: Index, video: bytes | None, left: bool) -> None:
    media = archive.files("video/1_a.webm")
    ask(media, result(1, "done"))
    close(media)
    with sqlite3.connect(archive.path) as database:
        database.execute("update film set original = 1")
    database.close()
    if video is not None:
        (archive.folder / "video/1_a.h264.mp4").path.write_bytes(video)
    archive.open(REPLACE).close()
    assert (archive.folder / "video/1_a.webm").exists() is left
    assert archive.originals() == [0 if left else 2]


def test_where_no_more_videos_are_wanted_none_is_handed_out(archive: Index) -> None:
    """And what was answered is to be committed."""
    media = archive.files("video/a.mov")
    media.commit()
    assert not media.dirty
    assert media.ask_videos(VideoRequest([], 7, False)) == VideoBatch([], 7)
    assert media.dirty
    found = media.ask_videos(VideoRequest([], 0, True))
    assert ([one.number for one in found.items], found.more) == ([1], True)
    assert media.ask_videos(VideoRequest([], 1, True)) == VideoBatch([], 1)
    close(media)


def test_an_original_that_goes_at_the_end_of_a_run_is_known_to_be_gone(archive: Index) -> None:
    original = archive.folder / "video/1_a.webm"
    close(archive.files("video/1_a.webm"))
    (archive.folder / "video/1_a.h264.mp4").path.write_bytes(b"mp4")
    media = archive.open(REPLACE)
    ask(media, result(1, "done", replaced=True))
    close(media)
    assert (original.exists(), archive.originals()) == (False, [2])
