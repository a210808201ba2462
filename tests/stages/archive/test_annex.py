"""An annex while it grows: what counts, what is cut off, what is gone."""
from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.annex import AnnexFiles, AnnexItem, AnnexName, LookState, load_annexes, read_annex
from tgbulk.stages.archive.folder import ChatFolder


@pytest.fixture
def folder(tmp_path: Path) -> ChatFolder:
    return ChatFolder(Place(tmp_path))


def items(**values: object) -> list[AnnexItem]:
    return [AnnexItem(int(key[1:]), orjson.dumps({"_": "item", "value": value})) for key, value in values.items()]


def look(
    folder: ChatFolder, now: int, *pages: list[AnnexItem], state: str = LookState.COMPLETE, name: str = "members"
) -> None:
    files = AnnexFiles(folder)
    file = files.file(name)
    file.begin(1, now)
    for page in pages:
        file.add(page, 0, -1)
    if state:
        file.end(state, "", now)
    files.commit()
    files.close()


def told(folder: ChatFolder, name: str = "members") -> list[tuple[int, int, object]]:
    found = read_annex(folder, load_annexes(folder)[name])
    return [(one.key, one.seen_at, one.object and one.object["value"]) for one in found]


def test_a_record_where_something_changed(folder: ChatFolder) -> None:
    look(folder, 10, items(k1="a", k2="b"), items(k3="c"))
    look(folder, 20, items(k1="a", k2="B"))
    look(folder, 30, items(k1="a", k2="B", k3="c"))
    assert told(folder) == [(1, 10, "a"), (2, 10, "b"), (3, 10, "c"), (2, 20, "B"), (3, 20, None), (3, 30, "c")]
    about = load_annexes(folder)["members"]
    assert (about.lines, about.items, about.state, about.ended) == (6, 3, "complete", 30)


def info(**fields: object) -> list[AnnexItem]:
    photo = {"_": "photo", "id": 1, "access_hash": fields.pop("access_hash", 1)}
    return [AnnexItem(9, orjson.dumps({"_": "channelFull", "value": "about", "chat_photo": photo, **fields}))]


def test_what_differs_at_every_look_is_no_change_of_an_info(folder: ChatFolder) -> None:
    for number in (1, 2):
        stories = {"_": "peerStories", "max_read_id": number, "stories": [{"id": 1, "views": {"n": number}}]}
        passing = {"online_count": number, "pts": number, "access_hash": number, "notify_settings": {"n": number}}
        look(folder, number, info(**passing, stories=stories), name="info")
    assert told(folder, "info") == [(9, 1, "about")]
    look(folder, 3, info(value="another"), name="info")
    look(folder, 4, info(value="another", participants_count=5), name="info")
    assert [seen for _, seen, _ in told(folder, "info")] == [1, 3, 4]


def test_only_a_complete_look_at_a_list_tells_who_is_gone(folder: ChatFolder) -> None:
    look(folder, 10, items(k1="a", k2="b"))
    look(folder, 20, items(k1="a"), state=LookState.INCOMPLETE)
    look(folder, 30, state=LookState.REFUSED)
    look(folder, 10, items(k1="a"), name=AnnexName.ADMIN_LOG)
    look(folder, 20, items(k2="b"), name=AnnexName.ADMIN_LOG)
    assert all(value is not None for _, _, value in told(folder) + told(folder, "admin_log"))
    assert load_annexes(folder)["admin_log"].top == 2


def test_a_look_that_was_cut_short_goes_on(folder: ChatFolder) -> None:
    look(folder, 10, items(k1="a", k2="b", k3="c"))
    look(folder, 20, items(k1="A"), state="")
    with open(folder.annex("members").path, "ab") as torn:
        torn.write(b'{"key":9,"seen_at":20,')  # a page that never counted
    files = AnnexFiles(folder)
    file = files.file("members")
    file.begin(1, 99)
    assert (file.about.begun, file.count) == (20, 3)
    file.add(items(k2="b"), 0, -1)
    file.end(LookState.COMPLETE, "", 99)
    files.commit()
    files.close()
    assert told(folder)[3:] == [(1, 20, "A"), (3, 20, None)]
    # another account begins anew
    look(folder, 30, items(k1="A"), state="")
    files = AnnexFiles(folder)
    files.file("members").begin(2, 40)
    assert files.file("members").about.begun == 40
    files.close()


def test_views_of_a_story_are_no_change(folder: ChatFolder) -> None:
    for now, views in ((10, 1), (20, 2)):
        story = orjson.dumps({"_": "storyItem", "value": "s", "views": views})
        look(folder, now, [AnnexItem(5, story)], name=AnnexName.STORIES)
    assert told(folder, "stories") == [(5, 10, "s")]
