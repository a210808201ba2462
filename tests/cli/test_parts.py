"""Links to a message, a range, a topic, a comment: that part is exported; and chats by bare or outdated ids."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command import ACCOUNTS
from support.exporter import Exporter, chat_json, lines
from tgbulk.perf.simdc.corpus.build import build_world
from tgbulk.perf.simdc.filter import select, topic_of
from tgbulk.stages.fetch.name import parse_name

WORLD = build_world(1, ACCOUNTS)
KINDS, FORUM, GROUP = -1001500000011, -1001500000010, -1002400000005


def in_topic(topic: int) -> list[int]:
    found = select(WORLD.histories[FORUM], lambda message: topic_of(message) == topic)
    return list(found.ids(0, len(found)))


def ids(archive: Path, marked: int) -> list[int]:
    return [line["id"] for line in lines(archive, marked)]


@pytest.mark.parametrize(
    ("names", "marked", "expected"),
    [
        (["https://t.me/sim_kinds/7"], KINDS, [7]),
        (["https://t.me/sim_kinds/7-12"], KINDS, [7, 8, 9, 10, 11, 12]),
        (["https://t.me/c/1500000011/7", "t.me/sim_kinds/9-10", "t.me/sim_kinds/20"], KINDS, [7, 9, 10, 20]),
        (["@sim_kinds", "--message", "20-21,3"], KINDS, [3, 20, 21]),
        (["1500000011", "--message", "3"], KINDS, [3]),
    ],
)
def test_messages(exporter: Exporter, tmp_path: Path, names: list[str], marked: int, expected: list[int]) -> None:
    done = exporter.run(tmp_path / "a", *names)
    assert [path.name for path in (tmp_path / "a" / "chats").iterdir()] == [str(marked)]
    assert ids(tmp_path / "a", marked) == expected
    assert chat_json(tmp_path / "a", marked)["asked"] == [expected[0], expected[-1]]
    if names[0] == "1500000011":
        assert f"1500000011_3 is no marked id; {marked} is meant: Every kind" in done.stderr
    done = exporter.tgbulk("verify", str(tmp_path / "a"), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["statement"]["missing"] == []


def test_several_parts_of_one_chat_and_their_forecast(exporter: Exporter, tmp_path: Path) -> None:
    """Two topics and a message of a forum, under both of its names: the ids of each, and none between."""
    history = WORLD.histories[FORUM]
    ends = {}
    for topic in sorted(one.id for one in WORLD.topics[FORUM])[-2:]:
        ends[topic] = max(in_topic(topic))
    everybody = list(history.ids(0, len(history)))
    lone = next(one for one in everybody if one > 1 and one not in {topic.id for topic in WORLD.topics[FORUM]})
    wanted = {one for one in everybody if one == lone or any(first <= one <= last for first, last in ends.items())}
    names = [f"t.me/sim_forum/{lone}", *(f"t.me/c/1500000010?topic={topic}" for topic in ends)]
    planned = exporter.tgbulk("export", "--dry-run", "--json", "-o", str(tmp_path / "a"), *names)
    exporter.run(tmp_path / "a", *names)
    got = ids(tmp_path / "a", FORUM)
    assert set(got) == wanted
    assert json.loads(planned.stdout.splitlines()[0])["messages"] == len(got)
    spoilt = chat_json(tmp_path / "a", FORUM)
    assert parse_name(spoilt["named"]).part is not None
    exporter.run(tmp_path / "a", spoilt["named"])
    assert ids(tmp_path / "a", FORUM) == got


@pytest.mark.parametrize("words", [["https://t.me/sim_forum/{}"], ["@sim_forum", "--topic", "{}"]])
def test_a_topic(exporter: Exporter, tmp_path: Path, words: list[str]) -> None:
    topic = max(one.id for one in WORLD.topics[FORUM])
    wanted = in_topic(topic)
    done = exporter.run(tmp_path / "a", *(word.format(topic) for word in words))
    got = ids(tmp_path / "a", FORUM)
    assert set(wanted) <= set(got)
    assert (got[0], got[-1]) == (min(wanted), max(wanted))
    assert f"topic {topic} lies among the other messages" in done.stderr


def test_comments_of_a_post(exporter: Exporter, tmp_path: Path) -> None:
    history = WORLD.histories[GROUP]
    below = select(history, lambda m: bool(m.reply_to and (m.reply_to.reply_to_top_id or m.reply_to.reply_to_msg_id)))
    comment = below.ids(0, 1)[0]
    message = history.object(comment)
    root = message.reply_to.reply_to_top_id or message.reply_to.reply_to_msg_id
    post = history.object(root).fwd_from.saved_from_msg_id
    exporter.run(tmp_path / "one", f"https://t.me/sim_channel/{post}?comment={comment}")
    assert ids(tmp_path / "one", GROUP) == [comment]
    done = exporter.run(tmp_path / "all", f"https://t.me/sim_channel/{post}?comment=")
    got = ids(tmp_path / "all", GROUP)
    thread = [root, *(m.id for m in map(history.object, below.ids(0, len(below))) if root in (
        m.reply_to.reply_to_top_id, m.reply_to.reply_to_msg_id))]
    assert set(thread) <= set(got)
    assert (got[0], got[-1]) == (root, max(thread))
    assert f"the discussion of post {post} lies among the other messages" in done.stderr


def test_a_group_that_became_a_supergroup(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path / "a", "-1001500000002")
    old = {path.name for path in (tmp_path / "a" / "chats").iterdir()}
    done = exporter.run(tmp_path / "b", "-300000001", "-1001500000002", code=0)
    assert {path.name for path in (tmp_path / "b" / "chats").iterdir()} == old == {"-300000001", "-1001500000002"}
    assert "goes on as its supergroup -1001500000002" in done.stderr


def test_links_of_other_things_ask_nobody(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("reset")
    done = exporter.run(tmp_path / "a", "https://t.me/addlist/AbCd", code=2)
    assert "is the link of a folder of chats, no chat" in done.stderr
    assert not exporter.calls()
