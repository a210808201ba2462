"""Downloaded files that are spoiled one by one, and an index that is gone."""
from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from support.downloaded import DATA, downloaded
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.media_index import MediaIndex
from tgbulk.stages.archive.video_index import VIDEO_SCHEMA
from tgbulk.stages.telegram.medium import MediaSelection
from tgbulk.stages.verify import media as media_module
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


def altered(archive: Archive, *statements: str) -> None:
    """An index in which something else stands, as tgbulk would have written it."""
    with closing(MediaIndex(archive.media_index, MediaSelection(frozenset()), damaged=True)) as index:
        for statement in statements:
            index.execute(statement)
        index.commit()


def video(archive: Archive, output: str, original: int) -> None:
    """The first document became this video; original: whether it went for that."""
    altered(
        archive, VIDEO_SCHEMA,
        "insert into film select number, sha256, '', 'done', '', '', '', '', "
        f"'{output}', {len(DATA)}, sha256, {original} from file where number = 1",
    )
    (archive.media.path / output).write_bytes(DATA)


def test_a_file_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it is."""
    archive = downloaded(tmp_path, "a")
    monkeypatch.setattr(media_module, "_CHUNK", 4)
    assert checked(archive) == ([], [])
    (tmp_path / "media/document/a").write_bytes(DATA[:-1] + b"?")
    assert checked(archive)[0] == [(Weight.DAMAGE, "media/document/a", "it is not what was downloaded")]
    altered(archive, "update file set sha256 = zeroblob(32)")
    (tmp_path / "media/document/a").write_bytes(DATA)
    assert checked(archive)[0] == [(Weight.DAMAGE, "media/document/a", "it is not what was downloaded")]
    (tmp_path / "media/document/a").write_bytes(DATA * 100)
    assert checked(archive)[0] == [(Weight.DAMAGE, "media/document/a", "it has 1,900 bytes, not 19")]


@pytest.mark.parametrize(("thing", "said"), [
    ("link", "it is a link, which is not followed"), ("folder", "it is not a file of its own"),
    ("pipe", "it is not a file of its own"),
])
def test_what_is_no_plain_file_is_not_what_came(tmp_path: Path, thing: str, said: str) -> None:
    archive = downloaded(tmp_path, "a")
    place = tmp_path / "media/document/a"
    place.rename(tmp_path / "outside")
    if thing == "link":
        place.symlink_to(tmp_path / "outside")
    elif thing == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    assert checked(archive) == ([(Weight.DAMAGE, "media/document/a", said)], ["document/a"])


def test_a_folder_on_another_disk_is_named_and_looked_into(tmp_path: Path) -> None:
    archive = downloaded(tmp_path / "archive", "a", "b")
    (tmp_path / "archive/media").rename(tmp_path / "disk")
    (tmp_path / "archive/media").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/document/b").unlink()
    assert checked(archive) == (
        [
            (Weight.NOTE, "media", f"it is a link: files are looked for in {tmp_path / 'disk'}"),
            (Weight.DAMAGE, "media/document/b", "it is missing"),
        ],
        ["document/b"],
    )


@pytest.mark.parametrize("state", ["done", "damaged"])
def test_a_name_that_leads_out_of_the_folder_is_not_looked_at(tmp_path: Path, state: str) -> None:
    archive = downloaded(tmp_path, "a", "b")
    altered(archive, f"update file set path = '../../secret', state = '{state}' where number = 1")
    (tmp_path / "media/document/a").unlink()
    (found,), lost = checked(archive)
    assert found[:2] == (Weight.DAMAGE, "media.sqlite")
    assert found[2].startswith("it names a file outside of media/: ")
    assert lost == []


def test_files_that_wait_are_no_damage(tmp_path: Path) -> None:
    """Those that were lost are named one by one, for a repair asks for them."""
    archive = downloaded(tmp_path, "a", "b", "c", "d")
    states = {1: "damaged", 2: "damaged", 3: "pending", 4: "failed"}
    altered(archive, *(f"update file set state = '{state}' where number = {number}" for number, state in states.items()))
    for name in "abcd":
        (tmp_path / "media/document" / name).unlink()
    lost = [(Weight.UNFINISHED, f"media/document/{name}", "it was lost, and has not come again") for name in "ab"]
    waiting = (Weight.UNFINISHED, "media", "2 files wait, or failed; the next export with media goes on")
    assert checked(archive) == ([*lost, waiting], ["document/a", "document/b"])


def test_an_index_that_cannot_be_read(tmp_path: Path) -> None:
    """Of a run that was killed with it SQLite sets it right; else it is damaged. No file is called strange for that."""
    archive = downloaded(tmp_path, "a")
    path = archive.media_index.path
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"?" + data[101:])
    assert checked(archive) == ([(Weight.DAMAGE, "media.sqlite", "it is not what was written")], [])
    path.with_name("media.sqlite-journal").touch()
    said = "a run was killed with it; the next export with media sets it right"
    assert checked(archive) == ([(Weight.UNFINISHED, "media.sqlite", said)], [])
    path.with_name("media.sqlite-journal").unlink()
    path.unlink()
    path.mkdir()
    assert checked(archive) == ([(Weight.DAMAGE, "media.sqlite", "it is not a file of its own")], [])


def test_a_video_that_was_made_is_there_and_its_original_where_that_stays(tmp_path: Path) -> None:
    archive = downloaded(tmp_path, "a", "b")
    video(archive, "document/a.h264.mp4", 0)
    assert checked(archive) == ([], [])
    (tmp_path / "media/document/a").unlink()
    (tmp_path / "media/document/a.h264.mp4").write_bytes(DATA[:-1])
    wrong = [(Weight.DAMAGE, "media/document/a", "it is missing"),
             (Weight.DAMAGE, "media/document/a.h264.mp4", "it has 18 bytes, not 19")]
    assert checked(archive) == (wrong, ["document/a", "document/a.h264.mp4"])


@pytest.mark.parametrize("there", [True, False])
def test_an_original_whose_place_a_video_took_may_be_there_or_not(tmp_path: Path, there: bool) -> None:
    archive = downloaded(tmp_path, "a", "b")
    video(archive, "document/a.h264.mp4", 1)
    if not there:
        (tmp_path / "media/document/a").unlink()
    assert checked(archive) == ([], [])


def test_what_a_repair_moved_aside_is_told_from_what_is_strange(tmp_path: Path) -> None:
    archive = downloaded(tmp_path, "a")
    for name in ("b.damaged-20260101T000000Z", "c"):
        (tmp_path / "media/document" / name).write_bytes(DATA)
    (tmp_path / "media/d").mkdir()
    aside = "`tgbulk verify --repair` moved it aside; delete it when it is of no more use"
    assert checked(archive) == (
        [
            (Weight.NOTE, "media/document/b.damaged-20260101T000000Z", aside),
            (Weight.NOTE, "media/document/c", "it does not belong to the archive"),
        ],
        [],
    )
