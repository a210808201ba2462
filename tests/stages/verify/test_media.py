"""Downloaded files that are spoiled one by one, and an index that is gone."""
from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.protocol.request import MediaRequest
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.medium import FoundMedia, MediaOutcome, MediaSelection, Medium
from tgbulk.stages.verify.media import check_media
from tgbulk.stages.verify.report import Report, Weight
from tgbulk.stages.write.media import Media

CHAT, ME = -1000000000009, 77
DATA = b"what was downloaded"


def downloaded(root: Path, *names: str) -> Archive:
    """An archive with these files, all of the same bytes."""
    archive = Archive(root)
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


def checked(archive: Archive) -> tuple[list[tuple[Weight, str, str]], list[str]]:
    report = Report(archive.root)
    check_media(archive, report)
    return [(one.weight, one.file, one.text) for one in report.findings], report.lost


def test_each_file_that_is_not_as_it_came_is_named(tmp_path: Path) -> None:
    archive = downloaded(tmp_path, "a", "b", "c", "d")
    assert checked(archive) == ([], [])
    folder = tmp_path / "media" / "document"
    (folder / "b").write_bytes(DATA.swapcase())
    (folder / "c").write_bytes(DATA[:-1])
    (folder / "d").unlink()
    assert checked(archive) == (
        [
            (Weight.DAMAGE, "media/document/b", "it is not what was downloaded"),
            (Weight.DAMAGE, "media/document/c", "it has 18 bytes, not 19"),
            (Weight.DAMAGE, "media/document/d", "it is missing"),
        ],
        ["document/b", "document/c", "document/d"],
    )


def test_an_index_that_is_gone_is_missed_where_there_are_files(tmp_path: Path) -> None:
    archive = downloaded(tmp_path, "a")
    archive.media_index.path.unlink()
    (found,), lost = checked(archive)
    assert (found[:2], lost) == ((Weight.DAMAGE, "media.sqlite"), [])
    (tmp_path / "media" / "document" / "a").unlink()
    (tmp_path / "media" / "document").rmdir()
    assert checked(archive) == ([], [])
    (tmp_path / "media").rmdir()
    assert checked(archive) == ([], [])


def test_what_did_not_become_whole_is_no_damage_and_what_nobody_downloaded_is_named(tmp_path: Path) -> None:
    archive = downloaded(tmp_path, "a")
    for name in ("b.part", "note"):
        (tmp_path / "media" / "document" / name).write_bytes(DATA)
    found, lost = checked(archive)
    assert lost == []
    assert [(weight, file) for weight, file, _ in found] == [
        (Weight.UNFINISHED, "media/document/b.part"), (Weight.NOTE, "media/document/note"),
    ]
