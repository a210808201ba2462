"""The generated history against the list of everything it says it has."""
from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from telethon.tl import types

from tgbulk.perf.simdc.bulk import DENSE, PERIOD, SPARSE, BulkHistory
from tgbulk.perf.simdc.corpus.mention import mentioned
from tgbulk.perf.simdc.window import Cut, unix, window
from tgbulk.perf.simdc.world import CHANNEL_MARK

CHANNEL = -CHANNEL_MARK - 77
USERS = list(range(1001, 1201))


def made(message_id: int, text: str = "new") -> types.Message:
    when = datetime.fromtimestamp(1_761_000_000 + message_id % 7, UTC)
    return types.Message(message_id, types.PeerChannel(77), when, text, from_id=types.PeerUser(9))


def check(history: BulkHistory, ids: list[int]) -> None:
    """Every access path of the contract, against the ids that there should be."""
    assert len(history) == len(ids)
    assert history.top_id() == (ids[-1] if ids else 0)
    assert list(history.ids(0, len(ids))) == ids
    for start in range(0, len(ids), 97):
        assert list(history.ids(start, start + 100)) == ids[start : start + 100]
    present = set(ids)
    below = 0
    for message_id in range(0, (ids[-1] if ids else 0) + 20):
        assert history.rank(message_id) == below
        assert (message_id in history) == (message_id in present)
        below += message_id in present


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("count", [0, 1, 99, 3210])
def test_ranks_and_ids_agree(count: int, sparse: bool) -> None:
    history = BulkHistory(1, count, CHANNEL, USERS, sparse=sparse)
    ids = list(history.ids(0, count))
    assert ids == sorted(set(ids))
    check(history, ids)
    share = (SPARSE if sparse else DENSE) / PERIOD
    if count > 1000:
        assert count / ids[-1] == pytest.approx(share, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_it_stays_right_while_messages_come_change_and_go(seed: int) -> None:
    draw = random.Random(seed)
    history = BulkHistory(seed, 1500, CHANNEL, USERS)
    ids = list(history.ids(0, 1500))
    for turn in range(300):
        doing = draw.choice(["append", "edit", "delete", "delete"])
        if doing == "append":
            new = max([*ids, history.top_id()]) + draw.randrange(1, 4) + 2 * turn
            history.append(made(new))
            ids.append(new)
        elif doing == "edit":
            chosen = draw.choice(ids)
            history.edit(chosen, made(chosen, "edited"))
            assert history.object(chosen).message == "edited"
            assert history.peers([chosen]) == {9, CHANNEL}
        else:
            gone = ids.pop(draw.randrange(len(ids)))
            history.delete(gone)
            with pytest.raises(KeyError):
                history.message(gone)
            with pytest.raises(KeyError):
                history.delete(gone)
    check(history, ids)


def test_an_id_never_comes_back() -> None:
    history = BulkHistory(1, 10, CHANNEL, USERS)
    top = history.top_id()
    history.delete(top)
    with pytest.raises(ValueError, match="comes after"):
        history.append(made(top))
    with pytest.raises(ValueError, match="cannot take the place"):
        history.edit(history.top_id(), made(top))
    with pytest.raises(KeyError):
        history.edit(top, made(top))


@pytest.mark.parametrize("count", [0, 1, 500, 3000])
def test_dates_rank_like_ids(count: int) -> None:
    history = BulkHistory(3, count, CHANNEL, USERS)
    if count > 10:
        history.delete(history.ids(5, 6)[0])
        history.append(made(history.top_id() + 1))
        history.append(made(history.top_id() + 1))
    dates = [unix(history.object(i).date) for i in history.ids(0, len(history))]
    for date in {0, 2**31 - 1, *(d + delta for d in dates[:50] + dates[-50:] for delta in (-1, 0, 1))}:
        assert history.rank_of_date(date) == sum(1 for other in dates if other < date), date


def test_messages_are_a_realistic_mix_and_name_their_peers() -> None:
    history = BulkHistory(5, 4000, CHANNEL, USERS)
    objects: list[Any] = [history.object(i) for i in history.ids(0, 4000)]
    assert [message.id for message in objects] == list(history.ids(0, 4000))
    plain = [m for m in objects if isinstance(m, types.Message)]
    assert len({m.message for m in plain}) == len(plain)

    def share(found: list[Any]) -> float:
        return len(found) / len(plain)

    assert share([m for m in plain if m.entities]) == pytest.approx(0.25, abs=0.08)
    assert share([m for m in plain if m.reply_to]) == pytest.approx(0.35, abs=0.08)
    assert share([m for m in plain if m.reactions]) == pytest.approx(0.30, abs=0.08)
    assert share([m for m in plain if isinstance(m.media, types.MessageMediaWebPage)]) == pytest.approx(0.08, abs=0.05)
    kinds = (types.MessageMediaPhoto, types.MessageMediaDocument)
    assert share([m for m in plain if isinstance(m.media, kinds)]) == pytest.approx(0.18, abs=0.06)
    assert 0 < len(objects) - len(plain) < 200
    assert all(0 < m.reply_to.reply_to_msg_id < m.id for m in plain if m.reply_to and m.id > 1)
    assert sum(len(bytes(m)) for m in objects) / 4000 == pytest.approx(350, abs=80)
    for start in range(0, 4000, 100):
        ids = history.ids(start, start + 100)
        named = history.peers(ids)
        assert named == {peer for m in objects[start : start + 100] for peer in mentioned(m)}
        assert 20 < len(named) < 60


def test_ten_million_messages_are_read_anywhere_at_once() -> None:
    history = BulkHistory(6, 10_000_000, CHANNEL, USERS)
    page = window(history, Cut(add_offset=7_654_321))
    assert [history.object(i).id for i in page.ids] == page.ids
    assert page.offset == 7_654_321
    assert history.rank(page.ids[0]) == 10_000_000 - 7_654_321 - 1
    middle = history.object(page.ids[0])
    assert window(history, Cut(offset_date=unix(middle.date), limit=1)).ids == [page.ids[1]]


def test_a_private_chat_is_sparse_and_has_two_sides() -> None:
    history = BulkHistory(7, 1000, 1001, [1001, 42], sparse=True)
    objects = [history.object(i) for i in history.ids(0, 1000)]
    assert {message.from_id.user_id for message in objects} == {1001, 42}
    assert all(message.out == (message.from_id.user_id == 42) for message in objects)
