"""Every chat of two accounts, over a real socket: equal to the truth, and cheap to bring up to date."""
from __future__ import annotations

import json
import shutil
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.exporter import HISTORY, Exporter, chat_json, contents, lines, wrong
from tgbulk.perf.proof import truth_chats
from tgbulk.stages.archive.account import is_common

#: The basic group, and the supergroup that continues it.
OLD_HALF, NEW_HALF = -300000001, -1001500000002
UNJOINED = -1001500000009
#: A broadcast channel and the group where its posts are discussed.
CHANNEL, DISCUSSION = -1001500000004, -1002400000005


@dataclass
class Whole:
    """Every chat of an account that it can read, and what the export of them all took."""

    account: str
    archive: Path
    truth: Path
    names: list[str]
    #: marked ids of what must be there
    chats: list[int]
    calls: Counter[str]


@pytest.fixture(scope="module")
def wholes(_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    folder = tmp_path_factory.mktemp("whole")
    found = {}
    for index, (account, unlisted) in enumerate((("main", [OLD_HALF, UNJOINED]), ("second", [UNJOINED]))):
        answer = _exporter.tgbulk("chats", "--json", "--account", account)
        listed = [json.loads(line) for line in answer.stdout.splitlines()]
        # The large ones, made for other tests, have names that begin alike.
        ids = [chat["id"] for chat in listed if not chat["forbidden"] and not str(chat["id"]).startswith("-10030000")]
        names = [*map(str, ids), "@sim_unjoined"]
        truth = _exporter.truth(folder / "truth", [*ids, *unlisted], index)
        _exporter.calm()
        _exporter.run(folder / account, *names, "--account", account)
        found[account] = Whole(account, folder / account, truth, names, truth_chats(truth), _exporter.calls())
    return found


@pytest.fixture(params=["main", "second"])
def whole(wholes: dict[str, Whole], request: pytest.FixtureRequest) -> Whole:
    return wholes[request.param]


def test_every_chat_equals_the_truth(whole: Whole) -> None:
    assert len(whole.chats) > 12
    assert wrong(whole.archive, whole.truth) == {}
    assert {path.name for path in (whole.archive / "chats").iterdir()} == {str(marked) for marked in whole.chats}
    for marked in whole.chats:
        assert {path.name for path in (whole.archive / "chats" / str(marked)).iterdir()} == {
            "chat.json", "messages.jsonl", "peers.jsonl",
        }


def test_peers_are_whole_and_each_once(whole: Whole) -> None:
    for marked in whole.chats:
        peers = lines(whole.archive, marked, "peers")
        texts = [json.dumps(peer) for peer in peers]
        assert len(texts) == len(set(texts))
        assert all(peer["_"] in ("user", "channel", "chat", "channelForbidden", "chatForbidden") for peer in peers)


def test_chat_json(whole: Whole) -> None:
    for marked in whole.chats:
        about, true = chat_json(whole.archive, marked), json.loads((whole.truth / f"{marked}.json").read_text())
        assert (about["id"], about["state"], about["total"]) == (marked, "complete", true["count"])
        assert about["messages"] == len(lines(whole.archive, marked))
        assert about["services"] == sum(one["_"] == "messageService" for one in lines(whole.archive, marked))
        assert [n for first, last in about["empty_ids"] for n in range(first, last + 1)] == true["empty"]
        assert about["empty"] == len(true["empty"])
        assert about["title"] == ("Saved Messages" if about["type"] == "saved" else true["title"])
        kind = {"user": {"private", "saved"}, "supergroup": {"supergroup", "forum"}}.get(true["type"], {true["type"]})
        assert about["type"] in kind


def test_both_halves_of_a_group_that_moved(wholes: dict[str, Whole]) -> None:
    archive = wholes["main"].archive
    old, new = chat_json(archive, OLD_HALF), chat_json(archive, NEW_HALF)
    assert str(OLD_HALF) not in wholes["main"].names
    assert new["migrated_from"] == OLD_HALF
    assert old["migrated_to"] == NEW_HALF
    assert new["migrated_from_max_id"] >= lines(archive, OLD_HALF)[-1]["id"]
    assert chat_json(archive, CHANNEL)["linked"] == DISCUSSION
    assert chat_json(archive, DISCUSSION)["linked"] == CHANNEL


def test_what_else_an_archive_holds(whole: Whole) -> None:
    """Format 2, for the journal has the update state from the first run on, which an older tgbulk would not keep."""
    assert {path.name for path in whole.archive.iterdir()} == {"archive.json", "chats", "journal", "runs"}
    assert json.loads((whole.archive / "archive.json").read_text())["format"] == 2
    (run,) = (whole.archive / "runs").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["exit_code"], summary["result"]) == (0, "complete")
    assert summary["messages"] == summary["new_messages"] == sum(len(lines(whole.archive, m)) for m in whole.chats)
    assert (summary["failed"], summary["left"], summary["stopped"]) == ([], 0, None)
    assert len(summary["complete"]) == len(whole.chats)
    for path in whole.archive.rglob("*"):
        assert path.stat().st_mode & stat.S_IWOTH == 0


def test_calls_of_a_first_run(whole: Whole) -> None:
    """One page for each hundred messages and what it takes to see the end; an id costs no look-up of its own."""
    counts = [json.loads((whole.truth / f"{marked}.json").read_text())["count"] for marked in whole.chats]
    pages = sum(-(-count // 100) for count in counts)
    assert whole.calls[HISTORY] <= pages + 3 * len(counts)
    assert whole.calls["contacts.resolveUsername"] <= 1
    assert whole.calls["messages.getDialogs"] <= 3


def test_a_second_run_asks_for_no_page(exporter: Exporter, whole: Whole) -> None:
    """Telegram says that nothing changed: once for the account, and once for each channel that the account is not in."""
    before = contents(whole.archive)
    events = exporter.events(whole.archive, *whole.names, "--account", whole.account)
    calls = exporter.calls()
    assert contents(whole.archive) == before
    assert calls[HISTORY] == 0
    assert calls["updates.getChannelDifference"] == 1
    # One is Telethon's own, when it connects.
    assert calls["updates.getDifference"] == 2
    assert calls["contacts.resolveUsername"] == calls["messages.getDialogs"] == calls["messages.getPeerDialogs"] == 0
    assert events[-1]["new_messages"] == 0
    assert events[-1]["messages"] == sum(len(lines(whole.archive, marked)) for marked in whole.chats)


def test_without_an_update_state_the_end_alone_is_asked_for(
    exporter: Exporter, wholes: dict[str, Whole], tmp_path: Path
) -> None:
    """The archive has no state of the second account, which is therefore told nothing of what the first one exported."""
    shared = [one for one in wholes["second"].chats if one in wholes["main"].chats and not is_common(one)]
    assert len(shared) > 6
    archive = shutil.copytree(wholes["main"].archive, tmp_path / "archive")
    before = contents(archive)
    names = [name for name in wholes["second"].names if name.startswith("@") or int(name) in shared]
    events = exporter.events(archive, *names, "--account", "second")
    after = contents(archive)
    assert after.keys() == before.keys()
    assert {name for name in before if after[name] != before[name] and not name.endswith("chat.json")} == set()
    # Where the server counts more than it gives, an empty page alone is no end: its newest message is asked for.
    withheld = [one for one in shared if chat_json(archive, one).get("statement", {}).get("withheld")]
    assert len(withheld) <= 1
    assert len(shared) <= exporter.calls()[HISTORY] <= len(shared) + len(withheld)
    assert events[-1]["new_messages"] == 0
