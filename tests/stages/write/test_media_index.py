"""Write's side of media: what is handed out, in which order, what is remembered, and what a crash leaves."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from telethon.tl import types

from support import telegram_page as made
from support.line import Line
from support.open_files import open_files
from tgbulk.engine import document
from tgbulk.engine.durable import make_folder
from tgbulk.engine.frame import pack, unpack
from tgbulk.stages.archive import scan
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import UNBOUNDED, IdRange
from tgbulk.stages.process.page import transform
from tgbulk.stages.process.seen_peers import SeenPeers
from tgbulk.stages.protocol.request import MediaBatch, MediaRequest
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.decoder import page
from tgbulk.stages.telegram.medium import (
    CATEGORIES,
    PROFILE,
    THUMBNAIL,
    FoundMedia,
    MediaItem,
    MediaOutcome,
    MediaSelection,
    Medium,
    Origin,
)
from tgbulk.stages.telegram.peer import marked_id
from tgbulk.stages.write.media import Media

CHAT, OTHER, ME = -1000000000009, -1000000000010, 77
ALL = MediaSelection(frozenset(CATEGORIES))


def medium(number: int, message: int = 1, category: str = "document", size: int = 10, **fields: Any) -> Medium:
    fields = {"kind": "document", "letter": "", "dc": 2, "reference": b"r%d" % message, **fields}
    return Medium(id=number, category=category, size=size, date=5, path=f"{category}/{number}", access_hash=4,
                  message=message, **fields)


def record(chat: int = CHAT, asked: list[int] | None = None) -> ChatRecord:
    return ChatRecord(chat, "supergroup", "Chat", ME, asked=asked)


class Index:
    """The index of one archive, opened again as often as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.archive = Archive(folder)
        self.path = self.archive.media_index

    def open(self, selection: MediaSelection = ALL, *chats: ChatRecord, covered: list[list[int]] | None = None) -> Media:
        media = Media(self.archive, selection)
        for one in chats or (record(),):
            media.begin(one, IdRange.from_pairs(covered or []))
        return media


@pytest.fixture
def archive(tmp_path: Path) -> Index:
    return Index(tmp_path)


def add(media: Media, *found: Medium, chat: int = CHAT, account: int = ME) -> None:
    media.page(chat, account, IdRange(1, 2), FoundMedia(list(found)))


def ask(media: Media, *outcomes: MediaOutcome, cursor: int = 0, wanted: bool = True) -> MediaBatch:
    batch: MediaBatch = unpack(pack(media.ask(unpack(pack(MediaRequest(list(outcomes), cursor, wanted))))))
    return batch


def test_what_was_found_is_handed_out_once(archive: Index) -> None:
    media = archive.open()
    add(media, medium(1), medium(2, 5), medium(1, 9))
    first, second = ask(media).items
    assert (first.account, first.origins, first.medium.reference) == (ME, [Origin(CHAT, 9)], b"r9")
    assert (second.number, second.medium.id) == (2, 2)
    batch = ask(media, cursor=second.number)
    assert (batch.items, batch.more) == ([], False)
    assert len(ask(media, cursor=1).items) == 1
    media.close()


def test_a_file_that_is_there_is_never_handed_out_again(archive: Index) -> None:
    media = archive.open()
    add(media, medium(1))
    batch = ask(media, MediaOutcome(1, "done", "", 10, b"sum", 10))
    assert batch.items == []
    add(media, medium(1, 8))
    add(media, medium(1, 3), chat=CHAT, account=78)
    assert ask(media).items == []
    stated = media.close()
    assert (stated.files, stated.bytes, stated.received, stated.known, stated.waiting) == (1, 10, 10, 0, 0)
    media = archive.open(MediaSelection(frozenset({"photo"})), record(OTHER))
    add(media, medium(1), chat=OTHER)
    assert ask(media).items == []
    assert media.close().known == 1


def test_what_is_not_wanted_is_counted_and_waits_for_another_run(archive: Index) -> None:
    media = archive.open(MediaSelection(frozenset({"photo", "video"}), 100))
    add(media, medium(1), medium(2, category="video", size=101), medium(3, category="video", size=100))
    assert [one.medium.id for one in ask(media, MediaOutcome(3, "done", "", 100, b"s")).items] == []
    assert media.close().skipped == {"document: not asked for": 1, "larger than --max-size": 1}
    media = archive.open(MediaSelection(frozenset({"video"}), 101))
    assert [one.medium.id for one in ask(media).items] == [2]
    media.close()
    media = archive.open(ALL)
    assert [one.medium.id for one in ask(media).items] == [1, 2]
    media.close()


def test_what_failed_is_tried_by_the_next_run_alone(archive: Index) -> None:
    media = archive.open()
    add(media, medium(1), medium(2))
    assert ask(media, MediaOutcome(1, "failed", "slow"), MediaOutcome(2, "unavailable", "gone")).items == []
    stated = media.close()
    assert (stated.failed, stated.unavailable, stated.examples) == ({"slow": 1}, {"gone": 1}, [["document/1", "slow"]])
    media = archive.open()
    assert [one.medium.id for one in ask(media).items] == [1]
    add(media, medium(2, 4))
    assert [one.medium.id for one in ask(media).items] == [1, 2], "it hangs on another message now"
    media.close()


def test_only_chats_of_the_run_and_the_ids_asked_for(archive: Index) -> None:
    media = archive.open(ALL, record(), record(OTHER))
    add(media, medium(1, 5), medium(2, 50))
    add(media, medium(3, 5), chat=OTHER)
    media.close()
    for chats, wanted in (
        ([record(OTHER)], [3]), ([record()], [1, 2]), ([record(asked=[6, 0])], [2]), ([record(asked=[1, 49])], [1]),
    ):
        media = archive.open(ALL, *chats)
        assert [one.medium.id for one in ask(media).items] == wanted
        assert media.close().waiting == len(wanted)


def test_a_preview_that_is_also_sent_is_what_was_sent(archive: Index) -> None:
    photos = MediaSelection(frozenset({"photo"}))
    media = archive.open(photos)
    add(media, medium(1, category="preview"))
    assert ask(media).items == []
    add(media, medium(1, category="photo"))
    add(media, medium(1, category="preview"))
    assert len(ask(media).items) == 1
    media.close()


def test_the_newest_reference_is_that_of_the_account_that_brought_it(archive: Index) -> None:
    media = archive.open()
    add(media, medium(1, 1))
    add(media, medium(1, 2), account=78)
    (one,) = ask(media).items
    assert (one.account, one.medium.reference) == (78, b"r2")
    add(media, medium(1, 1, reference=b""), account=78)
    (one,) = ask(media).items
    assert one.medium.reference == b"r2", "lines have no reference: the older one stays"
    add(media, medium(1, 1, reference=b""), account=0)
    (one,) = ask(media).items
    assert one.medium.reference == b"", "what another account had is no use with this access hash"
    media.close()


def test_a_crash_keeps_what_was_committed(archive: Index, tmp_path: Path) -> None:
    media = archive.open()
    add(media, medium(1), medium(2))
    media.commit()
    add(media, medium(3))
    ask(media, MediaOutcome(1, "done", "", 10, b"s"), wanted=False)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in tmp_path.glob("media.sqlite*"):
        shutil.copy(file, crashed)
    media.close()
    media = Index(crashed).open()
    assert [one.medium.id for one in ask(media).items] == [1, 2]
    media.close()


def test_large_questions_are_answered_in_pieces(archive: Index) -> None:
    media = archive.open()
    add(media, *(medium(number) for number in range(1, 451)))
    cursor, seen = 0, []
    while (batch := ask(media, cursor=cursor)).items:
        seen.append(len(batch.items))
        cursor = batch.cursor
    assert seen == [200, 200, 50]
    media.close()


def test_inline_files_fill_an_answer_by_their_bytes(archive: Index) -> None:
    media = archive.open()
    add(media, *(medium(number, inline=b"i" * 100_000) for number in range(1, 8)))
    assert [len(ask(media, cursor=cursor).items) for cursor in (0, 3, 6)] == [3, 3, 1]
    media.close()


class Chat:
    """A chat's folder as an export without media leaves it."""

    def __init__(self, archive: Archive) -> None:
        folder = archive.chat(CHAT)
        folder.path.path.mkdir(parents=True)
        sizes = [types.PhotoSize("m", 320, 240, 100)]
        messages = []
        for number in range(1, 3001):
            photo = types.Photo(number, 8, b"r", made.DAY, sizes, 4)
            medium = types.MessageMediaPhoto(photo=photo)
            messages.append(types.Message(number, types.PeerChannel(9), made.DAY, "", media=medium))
        users = [made.user(5, photo=types.UserProfilePhoto(9000, 2), access_hash=3)]
        self.pages = [made.page(messages[lo : lo + 100], users) for lo in range(0, len(messages), 100)]
        answer = page(made.page(messages, users)).answer
        lines = sorted(answer["messages"], key=lambda one: one["id"])
        folder.messages.path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
        folder.peers.path.write_bytes(orjson.dumps(answer["users"][0]) + b"\n")
        assert marked_id(answer["users"][0]) == 5


def collect(media: Media) -> list[MediaItem]:
    found: list[MediaItem] = []
    cursor, more = 0, True
    while more:
        batch = ask(media, cursor=cursor)
        found += batch.items
        cursor, more = batch.cursor, batch.more
    return found


def test_media_of_messages_that_were_there_before(archive: Index) -> None:
    Chat(archive.archive)
    with_profiles = MediaSelection(frozenset({"photo", PROFILE, THUMBNAIL}))
    media = archive.open(with_profiles, covered=[[1, 3001]])
    assert collect(media) == []
    media.end(CHAT)
    found = collect(media)
    assert [one.medium.id for one in found] == [9000, *range(1, 3001)]
    assert found[5].medium.reference == b""
    assert found[5].account == 0
    media.close()
    media = archive.open(with_profiles, covered=[[1, 3001]])
    media.end(CHAT)
    assert not media._scans, "they are known now"
    media.close()


def test_only_what_is_not_known_yet_is_read_again(archive: Index) -> None:
    chat = Chat(archive.archive)
    media = archive.open(covered=[[1, 101]])
    first = 1000
    for one in chat.pages[9:]:
        receipt, body = transform(one, 1, first, UNBOUNDED, SeenPeers(), with_media=True)
        assert body.media is not None
        media.page(CHAT, ME, IdRange(first, receipt.next), body.media)
        first = receipt.next
    assert first == 3001
    media.end(CHAT)
    found = collect(media)
    assert sorted(one.medium.id for one in found) == [*range(1, 101), *range(1000, 3001)]
    assert {one.medium.id for one in found if one.medium.reference} == set(range(1000, 3001))
    media.close()


def test_a_scan_that_was_killed_begins_anew(archive: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "LINES", 100)
    Chat(archive.archive)
    before = open_files()
    media = archive.open(covered=[[1, 3001]])
    media.end(CHAT)
    media.commit()
    assert (ask(media).more, media.dirty) == (True, True)
    media.commit()
    media.abandon()
    assert open_files() == before
    media = archive.open(covered=[[1, 3001]])
    media.end(CHAT)
    assert sorted(one.medium.id for one in collect(media)) == list(range(1, 3001))
    media.close()


def test_what_a_page_brought_is_known_by_the_next_run(archive: Index) -> None:
    """Once it is committed; so no line of it is read again."""
    media = archive.open()
    assert not media.dirty
    for lo, hi in ((1, 3), (3, 5), (9, 12)):
        media.page(CHAT, ME, IdRange(lo, hi), FoundMedia())
        assert media.dirty
        media.commit()
        assert not media.dirty
    media.page(CHAT, ME, IdRange(20, 30), FoundMedia())
    media.abandon()
    media = archive.open(ALL, record(), covered=[[1, 15]])
    assert media._known[CHAT] == [IdRange(1, 5), IdRange(9, 12)]
    assert media._missing[CHAT] == [IdRange(5, 9), IdRange(12, 15)]
    media.abandon()
    media = archive.open(ALL, record(asked=[4, 9]), covered=[[1, 15]])
    assert media._missing[CHAT] == [IdRange(5, 9)]
    media.end(CHAT)
    assert (len(media._scans), CHAT in media._missing) == (1, False)
    media.abandon()
    assert not media._scans


def test_more_is_said_to_come_while_older_lines_are_read(archive: Index) -> None:
    media = archive.open()
    assert (ask(media).more, ask(media, cursor=4, wanted=False)) == (False, MediaBatch([], 4))
    add(media, medium(1))
    found = ask(media)
    assert (len(found.items), found.more) == (1, True)
    assert media.progress().videos == 0
    assert media.videos_stated() is None
    media.close()


def test_of_a_chat_that_is_not_open_what_its_last_run_asked_for_is_wanted(archive: Index) -> None:
    """Of one that is open, what this run asks for."""
    folder = archive.archive.chat(OTHER)
    make_folder(folder.path)
    folder.about.path.write_bytes(document.dump({"id": OTHER, "asked": [1, 5]}))
    media = archive.open(ALL, record(asked=[1, 5]))
    media.commit()
    for chat in (CHAT, OTHER):
        media.told(chat, ME, FoundMedia([medium(-chat % 100, 3), medium(-chat % 100 + 50, 7)]))
        assert media.dirty
        media.commit()
    assert [one.medium.id for one in ask(media).items] == [-chat % 100 for chat in (CHAT, OTHER)]
    media.close()


def test_what_older_lines_hold_is_to_be_committed(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    message = made.message(1)
    message.media = types.MessageMediaDocument(document=types.Document(5, 1, b"r", made.DAY, "text/plain", 3, 2, []))
    line.page(made.page([message]), 1)
    line.end(record())
    line.close()
    index = Index(tmp_path)
    media = index.open(covered=[[1, 2]])
    media.end(CHAT)
    media.commit()
    assert not media.dirty
    found = ask(media)
    assert ([one.medium.id for one in found.items], media.dirty) == ([5], True)
    media.commit()
    media.close()
    media = index.open(covered=[[1, 2]])
    assert media._missing[CHAT] == []
    media.close()


def test_older_lines_of_several_chats_are_read_one_chat_after_the_other(tmp_path: Path) -> None:
    line = Line(tmp_path)
    for stream, chat in enumerate((CHAT, OTHER)):
        line.begin(record(chat), stream)
        message = made.message(1)
        there = types.Document(5 + stream, 1, b"r", made.DAY, "text/plain", 3, 2, [])
        message.media = types.MessageMediaDocument(document=there)
        line.page(made.page([message]), 1, stream=stream)
        line.end(record(chat), stream)
    line.close()
    media = Index(tmp_path).open(ALL, record(CHAT), record(OTHER), covered=[[1, 2]])
    media.end(CHAT)
    media.end(OTHER)
    assert [one.medium.id for one in collect(media)] == [5, 6]
    media.close()


def test_what_became_of_a_file_is_to_be_committed(archive: Index) -> None:
    media = archive.open()
    add(media, medium(1))
    media.commit()
    ask(media)
    assert not media.dirty
    ask(media, MediaOutcome(1, "done", "", 10, b"sum", 10))
    assert media.dirty
    media.close()
