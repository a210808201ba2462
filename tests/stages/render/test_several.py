"""Several archives are rendered as one: as what they would be merged."""
from __future__ import annotations

from pathlib import Path

import pytest

from support.rendered import Silent, tree
from support.written_archive import WrittenArchive, file, photo, text, user
from tgbulk.engine import document
from tgbulk.engine.error import UsageError
from tgbulk.stages.archive.catalogue import Catalogue, SameChatError
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.fleet.merger import merge
from tgbulk.stages.render.csv import Csv
from tgbulk.stages.render.desktop.format import Desktop
from tgbulk.stages.render.format import Format
from tgbulk.stages.render.html.site import Html
from tgbulk.stages.render.jsonl import Jsonl
from tgbulk.stages.render.markdown.vault import Markdown
from tgbulk.stages.render.parquet import Parquet
from tgbulk.stages.render.rendering import Rendering, RenderOutcome
from tgbulk.stages.render.sqlite import Sqlite
from tgbulk.stages.render.view import Filter

ONE, TWO, GROUP = -1000000000005, -1000000000006, -7
FORMATS = [
    Jsonl(), Csv(split="none"), Parquet(), Sqlite(), Desktop("UTC", media=("photo", "document")),
    Desktop("UTC", account=True, media=("photo", "document")), Html("UTC", False), Markdown("UTC"),
]


@pytest.fixture
def first(tmp_path: Path) -> WrittenArchive:
    """A supergroup with a photo and a document."""
    archive = WrittenArchive(tmp_path / "first")
    messages = [text(1, "a photo", media=photo(44)), text(2, "", media=file(45, "x"))]
    archive.chat(ONE, messages, [user(1, "Anna")], title="One")
    archive.files(ONE, messages, {44: b"forty-four", 45: b"forty-five"})
    return archive


@pytest.fixture
def second(tmp_path: Path) -> WrittenArchive:
    """A supergroup with other ones, and the group that it was."""
    archive = WrittenArchive(tmp_path / "second")
    messages = [text(1, "a photo", media=photo(46)), text(2, "", media=file(47, "y"))]
    archive.chat(TWO, messages, [user(1, "Anna"), user(2, "Bob")], title="Two", migrated_from=GROUP)
    archive.chat(GROUP, [text(1, "before")], [user(1, "Anna")], title="Two", type="group", migrated_to=TWO)
    archive.files(TWO, messages, {46: b"forty-six", 47: b"forty-seven"})
    return archive


def render(archives: list[Path], format: Format, out: Path, *chats: int) -> RenderOutcome:
    return Rendering(archives[0], format, Filter(), out, 1, Silent(), archives[1:]).execute(list(chats))


@pytest.mark.parametrize("format", FORMATS, ids=lambda one: one.name)
def test_it_is_what_a_render_of_the_merged_archive_is_and_only_what_changed_is_rendered_again(
    first: WrittenArchive, second: WrittenArchive, tmp_path: Path, format: Format
) -> None:
    both, out, merged = [first.root, second.root], tmp_path / "out", Archive(tmp_path / "merged")
    with merged.open():
        merge([Archive(one) for one in both], merged)
    assert render(both, format, out).changed == 3
    render([merged.root], format, tmp_path / "expected")
    assert tree(out) == tree(tmp_path / "expected")
    assert render(both, format, out).changed == 0
    second.chat(TWO, [text(1, "a photo", media=photo(46)), text(2, "", media=file(47, "y")), text(3, "more")],
                [user(1, "Anna"), user(2, "Bob")], title="Two", migrated_from=GROUP)
    again = render(both, format, out)
    assert {one.marked_id for one in again.done if one.changed} in ({TWO}, {TWO, GROUP})
    render(both, format, tmp_path / "anew")
    assert tree(out) == tree(tmp_path / "anew")


def test_the_state_names_the_archive_of_each_chat_where_there_are_several(
    first: WrittenArchive, second: WrittenArchive, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def sources() -> dict[str, str | None]:
        return {chat: one["archive"] for chat, one in document.load(out / "render.json")["chats"].items()}

    render([first.root], Jsonl(), out)
    assert sources() == {str(ONE): None}
    render([first.root, second.root], Jsonl(), out)
    assert sources() == {str(ONE): str(first.root), str(TWO): str(second.root), str(GROUP): str(second.root)}
    moved = first.root.rename(tmp_path / "moved")
    assert render([moved, second.root], Jsonl(), out).changed == 0
    assert sources()[str(ONE)] == str(moved)
    render([second.root], Jsonl(), out)
    assert sources() == {str(TWO): None, str(GROUP): None}
    assert not (out / f"message/{ONE}.jsonl").exists()


def test_each_archive_says_itself_what_became_of_a_file(
    first: WrittenArchive, second: WrittenArchive, tmp_path: Path
) -> None:
    message, both, out = text(9, "", media=photo(44)), [first.root, second.root], tmp_path / "out"
    second.chat(TWO, [message], [user(1, "Anna")], title="Two")
    second.files(TWO, [message], {})
    render(both, Jsonl(), out)
    assert b"44" in (out / f"message/{ONE}.jsonl").read_bytes().split(b'"media_path":')[1][:40]
    assert b'"media_path":null' in (out / f"message/{TWO}.jsonl").read_bytes()
    assert render(both, Jsonl(), out).changed == 0


def test_halves_of_a_group_in_two_archives_are_two_chats(tmp_path: Path) -> None:
    first, second = WrittenArchive(tmp_path / "first"), WrittenArchive(tmp_path / "second")
    first.chat(TWO, [text(1, "after")], [user(1)], title="Two", migrated_from=GROUP)
    second.chat(GROUP, [text(1, "before")], [user(1)], title="Two", type="group", migrated_to=TWO)
    for format in (Desktop("UTC"), Html("UTC", False), Markdown("UTC")):
        out = tmp_path / format.name
        assert render([first.root, second.root], format, out, TWO).changed == 1
        assert render([first.root, second.root], format, out, GROUP).changed == 1
        assert {one.name for one in out.iterdir()} >= {str(TWO), str(GROUP)}


def test_a_chat_that_two_have_is_refused_and_so_is_one_that_none_has(
    first: WrittenArchive, second: WrittenArchive, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no archive has a chat 1"):
        Catalogue([first.root, second.root]).chat(1)
    second.chat(ONE, [text(1, "the same")], [])
    with pytest.raises(SameChatError, match=f"chat {ONE} is in .*first and in .*second"):
        render([first.root, second.root], Jsonl(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
