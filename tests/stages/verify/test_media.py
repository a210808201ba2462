"""Downloaded files that are spoiled one by one, and an index that is gone."""
from __future__ import annotations

from pathlib import Path

from support.downloaded import DATA, downloaded
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.verify.media import check_media
from tgbulk.stages.verify.report import Report, Weight


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
