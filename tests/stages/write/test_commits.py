"""What write does when: what is due, what a commit takes along, what is said of a chat at its beginning and its end."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from telethon.tl import types

from support import telegram_page as made
from support.followed import ACCOUNT, FRIEND, NOW, box, followed, row, state, told, walk
from support.line import Line
from support.open_files import open_files
from support.told import channel_difference, deletion, difference, said
from support.walks import CHAT, chat_json, lines, record
from tgbulk.engine.frame import pack
from tgbulk.engine.metric import Meter
from tgbulk.stages.archive.about import read_about
from tgbulk.stages.archive.account import AccountState, Unlooked
from tgbulk.stages.archive.annex import AnnexItem, load_annexes
from tgbulk.stages.archive.folder import FORMAT, Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.quarantine import RawRequest, Undecoded
from tgbulk.stages.archive.reader import ArchiveReader
from tgbulk.stages.archive.row import MAYBE_BEHIND
from tgbulk.stages.protocol.annex import AnnexPage
from tgbulk.stages.protocol.event import ChatEnded, ChatProgress, ChatStated, Quarantined
from tgbulk.stages.protocol.receipt import PayloadKind
from tgbulk.stages.protocol.request import MediaRequest, OpenReply, QuarantineRequest, Refusal, VideoRequest
from tgbulk.stages.telegram.medium import CATEGORIES, MediaOutcome, MediaProgress, MediaSelection, MediaStated
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.write import writer as writer_module

ALL = MediaSelection(frozenset(CATEGORIES))


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files().items() <= before.items()


class Clock:
    """write's monotonic time: stands until a test moves it, or moves with each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 1000.0
        self.step = step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made_clock = Clock()
    monkeypatch.setattr(writer_module, "time", made_clock)
    return made_clock


def quarantined(line: Line, first: int, last: int, whole: bool = True) -> None:
    about = Undecoded(CHAT, first, last, "unknown", [RawRequest("getHistory", first, -1, 1)], [6], "1.45", 200)
    line.send(PayloadKind.QUARANTINE, pack(QuarantineRequest(about, b"as-is!", 0, whole)))


def with_file(number: int, kind: str = "text/plain") -> types.Message:
    attributes: list[Any] = [types.DocumentAttributeFilename("a")]
    if kind.startswith("video"):
        attributes = [types.DocumentAttributeVideo(3, 64, 64)]
    there = types.Document(1000 + number, 1, b"r", made.DAY, kind, 3, 2, attributes)
    return said(number, media=types.MessageMediaDocument(document=there))


def test_a_commit_is_due_a_second_after_the_first_that_waits_for_it(tmp_path: Path, clock: Clock) -> None:
    line = Line(tmp_path, ALL, TranscodeConfig().policy)
    line.begin(record())
    line.send(PayloadKind.PROBE, made.page([made.message(900)]))
    assert line.writer.due is None
    dues: list[float | None] = []
    for kind, payload in (
        (PayloadKind.HISTORY, made.page([with_file(1)])), (PayloadKind.MEDIA, pack(MediaRequest([], 0, True))),
        (PayloadKind.VIDEO, pack(VideoRequest([], 0, True))), (PayloadKind.ANNEX, pack(AnnexPage("members", ACCOUNT, NOW))),
        (PayloadKind.AGAIN, made.page([])), (PayloadKind.CLOSE, pack(replace(record(), state="complete"))),
    ):
        line.send(kind, payload, range_start=1, first=1, origin=ACCOUNT, subject=CHAT)
        dues.append(line.writer.due)
        clock.now += 0.25
        line.send(PayloadKind.MEDIA, pack(MediaRequest([], 0, False)))
        assert line.writer.due == dues[-1]
        line.writer.commit()
        assert line.writer.due is None
    assert dues == [1001.0 + 0.25 * turn for turn in range(6)]
    line.close()


@pytest.mark.parametrize("kind", [PayloadKind.ANNEX, PayloadKind.DIFFERENCE, PayloadKind.AGAIN, PayloadKind.HISTORY])
def test_bytes_of_every_kind_bring_a_commit_nearer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: PayloadKind
) -> None:
    line = followed(tmp_path)
    line.begin(record())
    monkeypatch.setattr(writer_module, "COMMIT_BYTES", 1000)
    item = AnnexItem(1, orjson.dumps({"_": "item", "value": "x" * 600}))
    payload = {
        PayloadKind.ANNEX: pack(AnnexPage("members", ACCOUNT, NOW, [item])),
        PayloadKind.DIFFERENCE: channel_difference(101, [said(11, "x" * 600)]),
    }
    for number, is_due in enumerate((True, False, True), 1 if kind is PayloadKind.AGAIN else 11):
        one = payload.get(kind, made.page([said(number, "x" * 600)]))
        line.send(kind, one, range_start=1, first=number, origin=ACCOUNT, subject=CHAT)
        assert (line.writer.due is not None) is is_due
    line.close()


def test_joining_takes_turns_with_what_comes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are those of all chats together, and the next turn comes after as long again as the last one took."""
    monkeypatch.setattr(writer_module, "JOIN_BYTES", 1)
    monkeypatch.setattr(writer_module, "time", Clock(1.0))
    line = Line(tmp_path)
    for stream, chat in enumerate((CHAT, CHAT - 1)):
        line.begin(record(chat), stream)
        for number in (1, 11):
            line.page(made.page([made.message(number)]), number, bound=number + 5, range_start=number, stream=stream)
        line.end(record(chat), stream, "gaps")
    stated = []
    for left in (1, 0):
        line.writer.commit()
        stated.append([one.marked_id for one in line.said() if isinstance(one, ChatStated)])
        assert len(list((tmp_path / "chats").glob("*/segments/*"))) == left
        assert line.writer.joining is (left == 1)
        assert line.writer.due == (line.writer._committed_at + 1 if left else None)
    assert stated == [[CHAT], [CHAT - 1]]
    line.close()


def test_a_close_joins_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "JOIN_BYTES", 1)
    line = Line(tmp_path)
    line.begin(record())
    for number in (1, 11, 21):
        line.page(made.page([made.message(number)]), number, bound=number + 5, range_start=number)
    line.end(record(), state="failed")
    assert [type(one) for one in line.close()] == [ChatProgress, ChatStated]
    assert [one["id"] for one in lines(tmp_path)] == [1, 11, 21]


def test_a_chat_that_ends_holds_up_no_other(tmp_path: Path) -> None:
    line = Line(tmp_path)
    walk(line, range(1, 3), FRIEND, "private")
    line.said()
    for stream, chat in enumerate((CHAT, CHAT - 1, CHAT + 1)):
        line.begin(record(chat), stream)
        line.end(record(chat), stream)
        assert line.said() == []
    line.begin(record(CHAT - 1), 5)
    assert {one.marked_id for one in line.said() if isinstance(one, ChatEnded)} == {CHAT, CHAT - 1, CHAT + 1}
    line.close()


def test_what_was_counted_is_measured(tmp_path: Path) -> None:
    meter = Meter(None)
    line = Line(tmp_path, ALL, meter=meter)
    line.begin(record())
    for _ in range(2):
        line.page(made.page([with_file(1), made.message(2)], [made.user(3)]), 1)
    line.send(PayloadKind.MEDIA, pack(MediaRequest([MediaOutcome(1, "done", "", 3, bytes(32))], 0, False)))
    line.page(made.page([]), 3)
    line.writer.commit()
    sizes = [len((tmp_path / "chats" / str(CHAT) / f"{name}.jsonl").read_bytes()) for name in ("messages", "peers")]
    assert {one.name: one.value for one in meter.snapshot().numbers} == {
        "messages": 2, "bytes": sum(sizes), "media_files": 1, "media_bytes": 3,
    }
    line.said()
    line.writer.commit()
    assert line.said() == []
    assert [one.histogram.count for one in meter.snapshot().distributions if one.name == "commit"] == [2]
    line.close()


@pytest.mark.parametrize("videos", [None, TranscodeConfig().policy])
def test_what_became_of_media_is_said_at_the_end(tmp_path: Path, videos: str | None) -> None:
    line = Line(tmp_path, ALL, videos)
    line.begin(record())
    line.page(made.page([with_file(1), with_file(2, "video/mp4")]), 1)
    line.send(PayloadKind.MEDIA, pack(MediaRequest([MediaOutcome(1, "done", "", 3, bytes(32))], 0, False)))
    line.end(record())
    said_last = line.close()
    assert [type(one).__name__ for one in said_last] == [
        "MediaProgress", "ChatProgress", "ChatStated", "ChatEnded", "MediaStated", *(["VideosStated"] if videos else []),
    ]
    stated = next(one for one in said_last if isinstance(one, MediaStated))
    assert (said_last[0], stated.files, stated.waiting) == (MediaProgress(1, 3), 1, 1)
    with closing(ArchiveReader(tmp_path).media) as media:
        assert [found and found.state for found in (media.get("document", 1001), media.get("document", 1002))] == [
            "done", "pending",
        ]


def test_media_of_lines_from_before_are_looked_for_at_the_end(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([with_file(1)]), 1)
    line.end(record())
    line.close()
    line = Line(tmp_path, ALL)
    line.begin(record())
    assert not line.send(PayloadKind.MEDIA, pack(MediaRequest([], 0, True))).items
    line.end(record())
    assert [one.medium.id for one in line.send(PayloadKind.MEDIA, pack(MediaRequest([], 0, True))).items] == [1001]
    line.close()


@pytest.mark.parametrize(("closed", "asked", "behind"), [
    ("complete", None, 0), ("gaps", None, 0), ("failed", None, 40), ("complete", [1, 0], 0), ("complete", [1, 20], 40),
    ("open", None, 40),
])
def test_a_message_above_is_no_more_behind_where_the_end_was_reached(
    tmp_path: Path, closed: str, asked: list[int] | None, behind: int
) -> None:
    line = followed(tmp_path)
    one = replace(record(), asked=asked)
    line.begin(one)
    line.writer._open[0].row.behind = 40
    line.end(one, state=closed)
    line.writer.commit()
    assert row(tmp_path).behind == behind
    line.close()


def test_nor_is_the_first_message_of_a_chat_that_begins_above_it(tmp_path: Path) -> None:
    line = Line(tmp_path)
    one = replace(record(), asked=[5, 0])
    line.begin(one)
    line.page(made.page([said(5)]), 5, range_start=5, last=True)
    line.writer._open[0].row.behind = 40
    line.end(one)
    line.close()
    assert row(tmp_path).behind == 0


@pytest.mark.parametrize(("gaps", "known", "behind"), [
    ([], 0, 0), ([[3, 4]], 0, 0), ([[11, 15]], 0, 11), ([[10, 10]], 0, 0), ([[11, 0]], 0, 11), ([[3, 4], [20, 0]], 0, 20),
    ([[11, 0]], 30, 30), ([[3, 4]], 30, 30),
])
def test_a_gap_at_the_end_is_behind_when_a_chat_is_opened(
    tmp_path: Path, gaps: list[list[int]], known: int, behind: int
) -> None:
    line = followed(tmp_path)
    found = line.writer._committed[CHAT]
    found.quarantined, found.behind = list(map(IdRange.from_closed, gaps)), known
    for one in found.quarantined:
        quarantined_files(tmp_path, one)
    assert line.begin(record()).behind == behind
    line.end(record(), state="failed")
    line.close()


def quarantined_files(root: Path, ids: IdRange) -> None:
    first, last = ids.closed()
    (root / "quarantine").mkdir(exist_ok=True)
    for suffix in ("tl", "json"):
        (root / "quarantine" / f"{CHAT}-{first}-{last}.{suffix}").write_bytes(b"{}")


def test_a_chat_that_is_opened_again_is_said_to_be_as_it_was_left(tmp_path: Path) -> None:
    line = followed(tmp_path)
    line.writer._boxes._now = lambda: NOW
    box(line, 120, lost=True)
    looked = row(tmp_path).looked
    told(line, channel_difference(121, [said(3)]), CHAT)
    line.close()
    line = Line(tmp_path)
    reply = line.begin(replace(record(), total=None))
    assert reply == OpenReply(
        messages=10, covered=[IdRange(1, 11)], explained=2, pts=121, looked=NOW, behind=MAYBE_BEHIND,
        unlooked=[Unlooked(looked, NOW, 1, 11)], counted=12,
    )
    line.close()


@pytest.mark.parametrize(("total", "explained"), [(2, 1), (5, 4), (None, 1)])
def test_what_is_counted_and_has_no_line_is_explained(tmp_path: Path, total: int | None, explained: int) -> None:
    """Empty ids, and what the server was known to withhold."""
    one = replace(record(), total=total)
    line = Line(tmp_path)
    line.begin(one)
    line.page(made.page([made.message(1), made.empty(2)]), 1, last=True)
    line.end(one)
    line.close()
    line = Line(tmp_path)
    assert line.begin(one).explained == explained
    line.close()


def test_who_brought_what_is_kept_from_run_to_run(tmp_path: Path) -> None:
    for number, account in ((1, 77), (2, 12), (3, 12)):
        line = Line(tmp_path)
        line.begin(record(account=account))
        where = {"range_start": 1, "first": number, "origin": account}
        line.send(PayloadKind.HISTORY, made.page([made.message(number)]), **where)
        line.end(record(account=account))
        line.close()
    assert chat_json(tmp_path)["sources"] == [{"account": 12, "ids": [[2, 3]]}, {"account": 77, "ids": [[1, 1]]}]


def test_the_servers_count_follows_what_was_told_where_it_is_not_asked(tmp_path: Path) -> None:
    line = followed(tmp_path)
    told(line, channel_difference(101, [said(number) for number in (11, 12, 13)], [deletion([1, 2])]), CHAT)
    line.writer.commit()
    for total, expected in ((None, 13), (40, 40)):
        one = replace(record(), total=total)
        line.begin(one)
        assert chat_json(tmp_path)["total"] == expected
        line.end(one)
        line.writer.commit()
        assert chat_json(tmp_path)["total"] == expected
    told(line, channel_difference(102, [], [deletion([3])]), CHAT)
    line.close()
    assert chat_json(tmp_path)["total"] == 39


def test_the_end_of_a_chat_has_what_the_run_did_for_it(tmp_path: Path) -> None:
    line = Line(tmp_path)
    one = replace(record(), total=None, pages=3, ranges=2, short=4, title="A title")
    line.begin(one)
    line.page(made.page([made.message(1), made.empty(2)]), 1, last=True)
    line.end(one)
    line.writer.commit()
    stated = ChatStated(0, CHAT, chat_json(tmp_path)["statement"], "A title")
    assert line.said()[1:] == [stated, ChatEnded(0, CHAT, 1, 1, 1, -1, 3, 2, 0, 4)]
    line.close()


def test_a_chat_called_complete_with_ids_missing_is_not_told_as_ended(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    for number in (1, 11):
        line.page(made.page([made.message(number)]), number, bound=number + 5, range_start=number)
    line.end(record())
    assert [type(one) for one in line.close()] == [ChatProgress, ChatStated]


def test_answers_that_come_in_parts_are_told_once(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    quarantined(line, 1, 5, whole=False)
    assert line.said() == []
    quarantined(line, 1, 5)
    assert line.said() == [Quarantined(CHAT, 1, 5, "unknown")]
    line.end(record(), state="gaps")
    line.close()


def test_the_format_is_raised_by_a_channels_box_alone_and_by_an_account_alone(tmp_path: Path) -> None:
    followed(tmp_path / "a").close()
    line = Line(tmp_path / "b")
    state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1))
    line.close()
    for name in "ab":
        assert orjson.loads((tmp_path / name / "archive.json").read_bytes())["format"] == FORMAT


@pytest.mark.parametrize(("users", "has_peers"), [(1, True), (300, False)])
def test_of_a_reply_that_is_too_large_the_peers_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users: int, has_peers: bool
) -> None:
    followed(tmp_path).close()
    monkeypatch.setattr("support.line.BLOCK_SIZE", 2048)
    line = Line(tmp_path)
    some = [made.user(number, access_hash=1 << 60) for number in range(1, users + 1)]
    receipt = told(line, channel_difference(101, [said(11)], users=some), CHAT)
    assert ((receipt.peers is not None), receipt.new) == (has_peers, 1)
    line.close()


def test_of_a_reply_with_very_many_channels_the_peers_are_left_out_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channels that changed are all there."""
    monkeypatch.setattr("support.line.BLOCK_SIZE", 2048)
    line = Line(tmp_path)
    dirty = {CHAT - number: number for number in range(300)}
    for count in (1, 300):
        state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1, dirty=dict(list(dirty.items())[:count])))
        receipt = told(line, difference(51, users=[made.user(5, access_hash=1 << 60)]))
        assert receipt.state is not None
        assert (receipt.peers is None, len(receipt.state.dirty)) == (count > 1, count)
    line.close()


def test_a_chat_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    """Also while it is open for what is told of it; and the journal says so before anything comes."""
    line = followed(tmp_path / "archive")
    told(line, channel_difference(101, [said(11)]), CHAT)
    (tmp_path / "archive" / "chats" / str(CHAT)).rename(tmp_path / "away")
    assert line.begin(record()) == OpenReply()
    assert row(tmp_path / "archive").ranges == []
    line.page(made.page([said(1)]), 1)
    line.end(record())
    line.close()
    assert [one["id"] for one in lines(tmp_path / "archive")] == [1]


@pytest.mark.parametrize("refusal", [Refusal.LOST, Refusal.LINK])
def test_a_chat_that_is_refused_is_as_it_was(tmp_path: Path, refusal: Refusal) -> None:
    followed(tmp_path / "archive").close()
    folder = tmp_path / "archive" / "chats" / str(CHAT)
    if refusal is Refusal.LINK:
        folder.rename(tmp_path / "away")
        folder.symlink_to(tmp_path / "away")
    else:
        archive = Archive(tmp_path / "archive")
        replace(read_about(archive, CHAT), messages=11).write(archive.chat(CHAT))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    line = Line(tmp_path / "archive")
    assert line.begin(record()) == OpenReply(refusal)
    line.close()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert row(tmp_path / "archive").messages == 10


def test_annexes_come_to_the_chat_and_are_committed_with_it(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.send(PayloadKind.ANNEX, pack(AnnexPage("members", ACCOUNT, NOW)))
    items = [AnnexItem(1, orjson.dumps({"_": "item", "value": 1}))]
    reply = line.send(PayloadKind.ANNEX, pack(AnnexPage("members", ACCOUNT, NOW, items, cursor=7)))
    assert (reply.cursor, reply.refusal) == (7, "")
    line.writer.commit()
    assert load_annexes(Archive(tmp_path).chat(CHAT))["members"].cursor == 7
    line.close()


def test_fetch_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line._events.close()
    line.ring.submit(made.page([made.message(1)]), kind=PayloadKind.HISTORY, stream=0, range_start=1, first=1, bound=9)
    line.writer.take(*line._blocks.receive())
    line.writer.gone(0)
    line.close()
    assert [one["id"] for one in lines(tmp_path)] == [1]
