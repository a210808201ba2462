"""What is published of an archive, and that it comes back as it was."""
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from support.written_archive import ACCOUNT, WrittenArchive, text, user
from tgbulk.engine import document
from tgbulk.engine.error import NewerFormatError, UsageError
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.annex import AnnexFiles, AnnexItem
from tgbulk.stages.archive.chat import ChatFile
from tgbulk.stages.archive.committed import PUBLIC, CommittedArchive
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.row import ChatRow, LastRows
from tgbulk.stages.fleet import plan
from tgbulk.stages.fleet.head import DamagedStoreError, LostChatError, claim_chat, head_key, newest_head
from tgbulk.stages.fleet.pruner import LEAST_SECONDS, prune_chat
from tgbulk.stages.fleet.publisher import NotContinuedError, Publisher
from tgbulk.stages.fleet.puller import OtherChatError, Puller, chosen_spaces
from tgbulk.stages.fleet.store import ObjectStore
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.peer import PeerLine
from tgbulk.stages.verify.archive import check_archive

CHAT = -1000000000005


class Growing:
    """A chat that a run writes to, page after page, in any order."""

    def __init__(self, root: Path, chat: int = CHAT) -> None:
        self.root, self.number = root, chat
        self.archive = Archive(root)
        self._lock = self.archive.open()
        rows = LastRows()
        self._journal = Journal(self.archive.journal, rows.take)
        self.chat = ChatFile(self.archive, rows.chats().get(chat) or ChatRow(chat, ACCOUNT), self.commit)
        self.record = ChatRecord(chat, "supergroup", "Growing", ACCOUNT, total=400)
        self.chat.describe(self.record)

    def page(self, start: int, lo: int, hi: int, said: str = "message") -> None:
        lines = b"".join(json.dumps(text(one, f"{said} {one}")).encode() + b"\n" for one in range(lo, hi))
        peer = json.dumps(user(lo)).encode() + b"\n"
        self.chat.add(start, IdRange(lo, hi), lines, [PeerLine(lo, False, lo.to_bytes(8, "big"), peer)], hi - lo, 0, [])

    def commit(self) -> None:
        """As write does."""
        self.chat.join()
        row = self.chat.prepare()
        self._journal.append([row])
        self.chat.committed()

    def end(self) -> None:
        self.record.state = "complete"
        self.chat.end(self.record)
        self.commit()
        self.chat.describe(self.record)
        self.close()

    def close(self) -> None:
        self.chat.close()
        self._journal.close()
        self._lock.remove()


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(f"file://{tmp_path}/store", make=True)


@pytest.fixture
def any_store(url: str) -> ObjectStore:
    """In a folder, and on a server."""
    return ObjectStore(url, make=True)


def publisher(store: ObjectStore, root: Path, **options: Any) -> Publisher:
    return Publisher(store, CommittedArchive(Archive(root)), **options)


def pulled(store: ObjectStore, root: Path, chat: int = CHAT, space: str = PUBLIC, anyway: bool = False) -> bool:
    archive = Archive(root)
    with archive.open():
        puller = Puller(store, archive, anyway)
        try:
            return puller.pull_chat(space, chat) is not None
        finally:
            puller.close()


def verdicts(root: Path) -> list[str]:
    """Of the archive itself, then of each chat."""
    return [report.verdict for report in check_archive(Archive(root))]


def content(root: Path, chat: int = CHAT) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "chats" / str(chat)).iterdir())}


def heads(store: ObjectStore) -> list[str]:
    return sorted(one.key for one in store.objects(f"{PUBLIC}/{CHAT}/head"))


def test_every_commit_of_a_chat_that_grows_in_pieces_can_be_restored(any_store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    published = publisher(any_store, tmp_path / "a")
    pages = [(1, 1, 50), (200, 200, 260), (1, 50, 100), (300, 300, 340), (200, 260, 300), (1, 100, 200), (300, 340, 401)]
    uploaded = 0
    for turn, page in enumerate(pages):
        growing.page(*page)
        growing.commit()
        uploaded += published.publish().bytes
        assert pulled(any_store, tmp_path / f"b{turn}")
        assert verdicts(tmp_path / f"b{turn}") == ["whole", "unfinished"]
    growing.end()
    assert published.publish().chats == 1
    assert pulled(any_store, tmp_path / "c")
    assert verdicts(tmp_path / "c") == ["whole", "whole"]
    assert content(tmp_path / "c") == content(tmp_path / "a")
    assert published.publish().unchanged == 1
    assert publisher(any_store, tmp_path / "a").publish().bytes == 0
    # Small parts go again with what comes behind them, so that there are few: at most as often as they double.
    assert uploaded < 4 * sum(map(len, content(tmp_path / "a").values()))
    head = newest_head(any_store, PUBLIC, CHAT)
    assert head is not None
    assert (head.number, head.epoch) == (len(pages) + 1, 1)


def test_what_was_restored_is_continued_and_published_again(store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    growing.page(1, 1, 100)
    growing.page(200, 200, 300)
    growing.commit()
    publisher(store, tmp_path / "a").publish()
    pulled(store, tmp_path / "b")
    other = Growing(tmp_path / "b")
    other.page(1, 100, 200)
    other.page(200, 300, 401)
    other.end()
    assert verdicts(tmp_path / "b") == ["whole", "whole"]
    assert publisher(store, tmp_path / "b").publish().chats == 1
    pulled(store, tmp_path / "c")
    assert content(tmp_path / "c") == content(tmp_path / "b")
    growing.close()


def test_uncommitted_lines_are_not_published(store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    growing.page(1, 1, 100)
    growing.commit()
    growing.page(1, 100, 200)
    publisher(store, tmp_path / "a").publish()
    pulled(store, tmp_path / "b")
    assert b"message 99" in content(tmp_path / "b")["messages.jsonl"]
    assert b"message 100" not in content(tmp_path / "b")["messages.jsonl"]
    growing.close()


def test_large_files_come_in_parts(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "PART_BYTES", 20_000)
    monkeypatch.setattr(plan, "_BLOCK", 4_000)
    growing = Growing(tmp_path / "a")
    growing.page(1, 1, 401)
    growing.end()
    publisher(store, tmp_path / "a").publish()
    head = newest_head(store, PUBLIC, CHAT)
    assert head is not None
    assert len(head.parts["messages.jsonl"]) > 2
    assert [one.lo for one in head.parts["messages.jsonl"][1:]] == [one.next for one in head.parts["messages.jsonl"][:-1]]
    pulled(store, tmp_path / "b")
    assert content(tmp_path / "b") == content(tmp_path / "a")


def test_who_was_fenced_publishes_nothing_more(any_store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    growing.page(1, 1, 100)
    growing.commit()
    first = publisher(any_store, tmp_path / "a")
    first.publish()
    claim = claim_chat(any_store, PUBLIC, CHAT)
    growing.page(1, 100, 200)
    growing.commit()
    done = first.publish()
    assert isinstance(done.failed[CHAT], LostChatError)
    # The one who claimed it goes on from there; another one may not under that number.
    assert pulled(any_store, tmp_path / "b")
    with Restarted(tmp_path / "b") as other:
        other.page(1, 100, 201)
        other.commit()
        assert publisher(any_store, tmp_path / "b", epoch=claim.epoch).publish().chats == 1
    lost = publisher(any_store, tmp_path / "a", epoch=claim.epoch + 1).publish()
    assert isinstance(lost.failed[CHAT], LostChatError)
    growing.close()


class Restarted(Growing):
    """The same in a block."""

    def __enter__(self) -> Restarted:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_who_was_fenced_notices_also_when_its_number_was_pruned(store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    growing.page(1, 1, 100)
    growing.commit()
    first = publisher(store, tmp_path / "a")
    first.publish()
    for _ in range(3):
        claim_chat(store, PUBLIC, CHAT)
    store.delete([head_key(PUBLIC, CHAT, number) for number in (1, 2, 3)])
    growing.page(1, 100, 200)
    growing.commit()
    assert isinstance(first.publish().failed[CHAT], LostChatError)
    growing.close()


def test_another_export_of_the_same_chat_is_not_published_over_the_first(store: ObjectStore, tmp_path: Path) -> None:
    for name, said in (("a", "first"), ("b", "second")):
        growing = Growing(tmp_path / name)
        growing.page(1, 1, 100, said)
        growing.end()
    publisher(store, tmp_path / "a").publish()
    done = publisher(store, tmp_path / "b").publish()
    assert isinstance(done.failed[CHAT], NotContinuedError)
    assert publisher(store, tmp_path / "b", anyway=True).publish().chats == 1
    assert pulled(store, tmp_path / "c")
    assert content(tmp_path / "c") == content(tmp_path / "b")
    assert len(heads(store)) == 2


def test_an_archive_that_is_behind_the_store_is_not_published(store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    growing.page(1, 1, 100)
    growing.commit()
    publisher(store, tmp_path / "a").publish()
    pulled(store, tmp_path / "b")
    growing.page(1, 100, 200)
    growing.end()
    publisher(store, tmp_path / "a").publish()
    assert isinstance(publisher(store, tmp_path / "b").publish().failed[CHAT], NotContinuedError)
    with pytest.raises(OtherChatError):
        pulled(store, tmp_path / "b")
    assert pulled(store, tmp_path / "b", anyway=True)
    assert not pulled(store, tmp_path / "b")
    assert content(tmp_path / "b") == content(tmp_path / "a")


def test_private_chats_of_accounts_lie_apart(store: ObjectStore, tmp_path: Path) -> None:
    archive = WrittenArchive(tmp_path / "a")
    archive.chat(7, [text(1, "private")], [user(7)], type="private")
    archive.chat(CHAT, [text(1, "public")], [user(7)])
    publisher(store, tmp_path / "a").publish()
    assert store.names() == [str(ACCOUNT), PUBLIC]
    assert chosen_spaces(store, None) == [PUBLIC, str(ACCOUNT)]
    store.put("2000/7/head/000000000001.json", store.get(head_key(str(ACCOUNT), 7, 1)))
    with pytest.raises(UsageError, match="--space"):
        chosen_spaces(store, None)
    assert chosen_spaces(store, "2000") == [PUBLIC, "2000"]
    assert pulled(store, tmp_path / "b", 7, str(ACCOUNT))
    assert content(tmp_path / "b", 7) == content(tmp_path / "a", 7)


def test_files_are_uploaded_once_and_come_back(any_store: ObjectStore, tmp_path: Path) -> None:
    archive = WrittenArchive(tmp_path / "a")
    message = text(1, "with a file", media=document_media(44))
    archive.chat(CHAT, [message], [user(1)])
    archive.chat(CHAT - 1, [message], [user(1)])
    places = archive.files(CHAT, [message], {44: b"content of the file"})
    assert len(places) == 1
    done = publisher(any_store, tmp_path / "a").publish()
    again = publisher(any_store, tmp_path / "a").publish()
    assert (done.damaged, again.objects) == ([], 0)
    assert len(list(any_store.objects(f"{PUBLIC}/media"))) == 1
    assert pulled(any_store, tmp_path / "b")
    assert verdicts(tmp_path / "b")[0] == "whole"
    there = tmp_path / "b" / places[0].relative_to(tmp_path / "a")
    assert there.read_bytes() == b"content of the file"
    there.write_bytes(b"another content of it")
    assert verdicts(tmp_path / "b")[0] == "damaged"


def test_a_file_that_is_damaged_is_named_and_left_out(store: ObjectStore, tmp_path: Path) -> None:
    archive = WrittenArchive(tmp_path / "a")
    message = text(1, "with a file", media=document_media(44))
    archive.chat(CHAT, [message], [user(1)])
    (place,) = archive.files(CHAT, [message], {44: b"content"})
    place.write_bytes(b"comtent")
    done = publisher(store, tmp_path / "a").publish()
    assert done.damaged == [str(place.relative_to(tmp_path / "a" / "media"))]
    assert done.chats == 1
    pulled(store, tmp_path / "b")
    assert verdicts(tmp_path / "b")[0] == "whole"


def test_annexes_come_along(store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    growing.page(1, 1, 401)
    growing.end()
    annexes = AnnexFiles(Archive(tmp_path / "a").chat(CHAT))
    members = annexes.file("members")
    members.begin(ACCOUNT, 1_700_000_000)
    members.add([AnnexItem(5, b'{"_":"user","id":5}')], 1, 1)
    annexes.commit()
    published = publisher(store, tmp_path / "a")
    published.publish()
    assert pulled(store, tmp_path / "b")
    assert not pulled(store, tmp_path / "b")
    assert content(tmp_path / "b") == content(tmp_path / "a")
    members.add([AnnexItem(6, b'{"_":"user","id":6}')], 2, 2)
    members.end("complete", "", 1_700_000_060)
    annexes.commit()
    annexes.close()
    assert published.publish().chats == 1
    assert pulled(store, tmp_path / "c")
    assert content(tmp_path / "c") == content(tmp_path / "a")
    assert verdicts(tmp_path / "c") == ["whole", "whole"]


def test_old_heads_go_and_what_only_they_spoke_of(store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    published = publisher(store, tmp_path / "a")
    for lo in range(1, 400, 50):
        growing.page(1, lo, lo + 50)
        growing.commit()
        published.publish()
    growing.end()
    published.publish()
    before = heads(store)
    assert prune_chat(store, PUBLIC, CHAT, LEAST_SECONDS).heads == 0
    with pytest.raises(UsageError, match="younger"):
        prune_chat(store, PUBLIC, CHAT, LEAST_SECONDS - 1)
    done = prune_chat(store, PUBLIC, CHAT, LEAST_SECONDS, time.time() + 2 * LEAST_SECONDS)
    assert done.heads == len(before) - 1
    assert done.objects > 0
    assert heads(store) == before[-1:]
    assert pulled(store, tmp_path / "b")
    assert content(tmp_path / "b") == content(tmp_path / "a")


def test_a_store_that_lost_or_changed_a_part_is_told_and_nothing_is_called_whole(store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    growing.page(1, 1, 401)
    growing.end()
    publisher(store, tmp_path / "a").publish()
    (key,) = (one.key for one in store.objects(f"{PUBLIC}/{CHAT}/messages"))
    data = store.get(key)
    store.put(key, data.replace(b"message 7", b"message 8"))
    with pytest.raises(DamagedStoreError):
        pulled(store, tmp_path / "b")
    assert verdicts(tmp_path / "b") == ["whole", "unfinished"]
    store.delete([key])
    with pytest.raises(DamagedStoreError, match="is missing"):
        pulled(store, tmp_path / "b")
    store.put(key, data)
    assert pulled(store, tmp_path / "b")
    assert content(tmp_path / "b") == content(tmp_path / "a")


def test_a_head_of_a_newer_version_and_one_that_is_damaged(store: ObjectStore, tmp_path: Path) -> None:
    growing = Growing(tmp_path / "a")
    growing.page(1, 1, 100)
    growing.end()
    publisher(store, tmp_path / "a").publish()
    key = head_key(PUBLIC, CHAT, 1)
    head = document.parse(store.get(key))
    store.put(key, store.get(key).replace(b"Growing", b"growing"))
    with pytest.raises(DamagedStoreError, match="not what was written"):
        pulled(store, tmp_path / "b")
    store.put(key, document.dump(head | {"format": 2}))
    with pytest.raises(NewerFormatError):
        pulled(store, tmp_path / "b")


def document_media(number: int) -> dict[str, Any]:
    about = {"_": "document", "id": number, "access_hash": 1, "date": 1, "mime_type": "application/pdf", "size": 19,
             "dc_id": 2, "attributes": [{"_": "documentAttributeFilename", "file_name": "paper.pdf"}]}
    return {"_": "messageMediaDocument", "document": about}
