"""A file that comes, goes or fails later: rendering again comes to what a render from nothing comes to."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.lines_archive import CHAT, LinesArchive, message, user
from support.rendered import render, tree
from tgbulk.stages.archive.media_index import MediaIndex
from tgbulk.stages.archive.media_reader import MediaReader
from tgbulk.stages.render.csv import Csv
from tgbulk.stages.render.desktop.format import Desktop
from tgbulk.stages.render.format import Format
from tgbulk.stages.render.html.site import Html
from tgbulk.stages.render.jsonl import Jsonl
from tgbulk.stages.render.markdown.vault import Markdown
from tgbulk.stages.telegram.medium import FoundMedia, MediaOutcome, MediaSelection, Medium

OTHER = -1009999999999
#: The files: one that messages of the first and of the last part have, one of the first part alone, one of the last alone.
BOTH, FIRST, LAST = 5, 6, 7
FORMATS = [Jsonl(), Jsonl(split="none"), Csv(split="month"), Html(), Markdown(), Desktop("UTC", media=("document",))]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (Format, Html, Markdown):
        monkeypatch.setattr(kind, "part_messages", 40)
    monkeypatch.setattr(Html, "page_messages", 20)


def document(number: int) -> dict[str, object]:
    attributes = [{"_": "documentAttributeFilename", "file_name": f"{number}.txt"}]
    return {"_": "messageMediaDocument", "document": {
        "_": "document", "id": number, "access_hash": 9, "date": 1_700_000_000, "mime_type": "text/plain", "size": 3,
        "dc_id": 2, "attributes": attributes}}


class Files:
    """The archive's index of media."""

    def __init__(self, archive: LinesArchive) -> None:
        self.path = archive.root / "media.sqlite"

    def met(self, chat: int, number: int, at: int, wanted: bool = True) -> None:
        """A message of the chat has the file."""
        index = MediaIndex(self.path, MediaSelection(frozenset({"document"} if wanted else ())))
        medium = Medium("document", number, "", "document", 3, 0, 2, f"document/0{number}/{number}.txt", 9, message=at)
        index.add(chat, 1, FoundMedia([medium]))
        index.commit()
        index.close()

    def became(self, number: int, state: str, reason: str = "") -> None:
        place = self.path.parent / "media" / "document" / f"0{number}" / f"{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"abc")
        index = MediaIndex(self.path, MediaSelection(frozenset({"document"})))
        row = index.execute("select number from file where id = ?", (number,)).fetchone()[0]
        index.settle([MediaOutcome(row, state, reason, 3, b"sum" if state == "done" else b"", 3)])
        index.commit()
        index.close()


def rounds(archive: LinesArchive, other: bool = True) -> Iterator[None]:
    """States of an archive, one after the other. other: a chat whose media were never asked for has one of the files."""
    found = {3: BOTH, 4: FIRST, 230: LAST, 231: BOTH}
    lines = [message(one, media=document(found[one])) if one in found else message(one) for one in range(1, 240)]
    archive.put(lines, [user(7, "Anna")], CHAT)
    if other:
        archive.put([message(one, media=document(BOTH)) for one in (1, 2)], [user(7, "Anna")], OTHER, title="Another")
    files = Files(archive)
    yield
    for at, number in found.items():
        files.met(CHAT, number, at)
    yield  # everything waits
    files.became(BOTH, "done")
    yield  # the first part has it too, and the other chat, which the index does not know
    files.became(FIRST, "failed", "expired")
    files.became(LAST, "done")
    yield
    files.became(FIRST, "done")
    yield
    files.became(BOTH, "damaged")
    yield
    for beside in files.path.parent.glob("media.sqlite*"):
        beside.unlink()
    yield


@pytest.mark.parametrize("format", FORMATS, ids=lambda one: one.name)
def test_files_that_come_later_are_in_every_part_that_speaks_of_them(tmp_path: Path, format: Format) -> None:
    archive = LinesArchive(tmp_path / "archive")
    seen = set()
    for number, _ in enumerate(rounds(archive, other=format.name != "desktop")):
        render(archive.root, format, tmp_path / "again")
        render(archive.root, format, tmp_path / f"new{number}")
        again, new = tree(tmp_path / "again"), tree(tmp_path / f"new{number}")
        assert [name for name in sorted(again | new) if again.get(name) != new.get(name)] == [], f"round {number}"
        seen.add(hash(tuple(sorted(new.items()))))
    assert len(seen) > 3


def test_parts_without_the_file_stay(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    steps = rounds(archive)
    next(steps)
    next(steps)
    render(archive.root, Jsonl(), tmp_path / "out")
    assert render(archive.root, Jsonl(), tmp_path / "out").changed == 0
    Files(archive).became(LAST, "done")
    (done, other) = sorted(render(archive.root, Jsonl(), tmp_path / "out").done, key=lambda chat: chat.marked_id == OTHER)
    assert [part.number for part in done.parts if part.fresh] == [5]
    assert not other.changed
    Files(archive).met(CHAT, BOTH, 239)  # named once more: nothing that a part shows
    assert render(archive.root, Jsonl(), tmp_path / "out").changed == 0


def test_any_change_of_a_file_s_state_is_one(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    files = Files(archive)
    files.met(CHAT, BOTH, 3, wanted=False)
    states = []
    for change in (("skipped", "kind"), ("skipped", "size"), ("failed", "expired"), ("failed", "refused"),
                   ("unavailable", ""), ("done", ""), ("damaged", "")):
        files.became(BOTH, *change)
        reader = MediaReader(files.path)
        states.append(reader.states()[CHAT])
        reader.close()
    assert len({repr(one) for one in states}) == len(states)
