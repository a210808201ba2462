"""The options that choose chats, over the demo's account, against a computation that shares nothing with them."""
from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from telethon.tl import types

from support.command import ACCOUNTS, Tgbulk, at_home
from tgbulk.perf.simdc.corpus.build import build_world
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.perf.simdc.services.dialog import unread_count
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import Account, Dialog

WORLD = build_world(1, ACCOUNTS)
ME = WORLD.accounts[0]
CHANNEL, FORUM, KINDS, BUSY, FOUNDERS, CLOSED, FORBIDDEN = (
    -1001500000004, -1001500000010, -1001500000011, -1001500000001, -1001500000002, -1001500000007, -1001500000008,
)
LIVING = -4500000001


def peer(dialog: Dialog) -> object:
    return View.of(WORLD, ME).peer(dialog.marked_id)


def is_user(dialog: Dialog) -> bool:
    return dialog.marked_id > 0


def bot(dialog: Dialog) -> bool:
    return is_user(dialog) and bool(WORLD.users[dialog.marked_id].bot)


def chat_flag(name: str) -> Callable[[Dialog], bool]:
    return lambda dialog: not is_user(dialog) and bool(getattr(WORLD.chats[dialog.marked_id], name, False))


def text_of(dialog: Dialog) -> list[str]:
    who = WORLD.users[dialog.marked_id] if is_user(dialog) else WORLD.chats[dialog.marked_id]
    title = " ".join(filter(None, (who.first_name, who.last_name))) if is_user(dialog) else who.title
    if dialog.marked_id == ME.user_id:
        title = "Saved Messages"
    names = [getattr(who, "username", None), *(one.username for one in getattr(who, "usernames", None) or () if one.active)]
    return [title or "", *filter(None, names)]


def like(pattern: str) -> Callable[[Dialog], bool]:
    return lambda dialog: any(re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL) for text in text_of(dialog))


def muted(dialog: Dialog) -> bool:
    """As the simulated server gives it: no settings of its own mean the account's default, which is not silence."""
    return dialog.marked_id % 3 == 0


def unread(account: Account, dialog: Dialog) -> bool:
    history = WORLD.history(account, dialog.marked_id)
    size = 0 if history is None or dialog.marked_id in account.private else len(history)
    return min(size, abs(dialog.marked_id) % 4) > 0


def in_work(dialog: Dialog) -> bool:
    if dialog.marked_id == FORUM:
        return False
    group = not is_user(dialog) and not getattr(WORLD.chats[dialog.marked_id], "broadcast", False)
    return dialog.marked_id == KINDS or (group and dialog.folder_id == 0)


channel, forum = chat_flag("broadcast"), chat_flag("forum")
#: options -> the chats that they mean, whether these can be read or not
TABLE: list[tuple[list[str], Callable[[Dialog], bool]]] = [
    (["--all"], lambda dialog: True),
    (["--type", "channel"], channel),
    (["--type", "channel,forum", "--type", "bot"], lambda d: channel(d) or forum(d) or bot(d)),
    (["--type", "saved"], lambda d: d.marked_id == ME.user_id),
    (["--type", "supergroup"], lambda d: chat_flag("megagroup")(d) and not forum(d)),
    (["--folder", "News"], channel),
    (["--folder", "work"], in_work),
    (["--folder", "Unread people"], lambda d: is_user(d) and not bot(d) and unread(ME, d) and not muted(d)),
    (["--folder", "Bots 🤖"], lambda d: (bot(d) and d.folder_id == 0) or d.marked_id == CHANNEL),
    (["--folder", "Shared"], lambda d: d.marked_id in (CHANNEL, LIVING, FORUM)),
    (["--folder", "Shared", "--folder", "News", "--type", "forum,group"], lambda d: d.marked_id in (LIVING, FORUM)),
    (["--archived"], lambda d: d.folder_id == 1),
    (["--no-archived", "--type", "bot"], lambda d: bot(d) and d.folder_id == 0),
    (["--match", "sim_*"], like("sim_.*")),
    (["--match", "@SIM_K?nds", "--match", "канал*"], lambda d: like("sim_k.nds")(d) or like("канал.*")(d)),
    (["--all", "--exclude-type", "private", "--exclude", "@sim_forum"],
     lambda d: (not is_user(d) or bot(d) or d.marked_id == ME.user_id) and d.marked_id != FORUM),
    (["--type", "group,supergroup", "--exclude-match", "*very long*", "--exclude-folder", "Shared"],
     lambda d: not is_user(d) and not channel(d) and not forum(d) and d.marked_id not in (BUSY, LIVING)),
]


@pytest.fixture(scope="module")
def home(dc: object, tmp_path_factory: pytest.TempPathFactory) -> Tgbulk:
    assert isinstance(dc, SimDC)
    tgbulk = at_home(dc, tmp_path_factory.mktemp("home"))
    assert tgbulk.login().returncode == 0
    return tgbulk


def readable(dialog: Dialog) -> bool:
    return dialog.marked_id not in ME.private and not isinstance(
        WORLD.chats.get(dialog.marked_id), types.ChannelForbidden | types.ChatForbidden)


@pytest.mark.parametrize(("words", "meant"), TABLE, ids=[" ".join(words) for words, _ in TABLE])
def test_the_chats_that_are_meant(home: Tgbulk, words: list[str], meant: Callable[[Dialog], bool]) -> None:
    done = home("chats", "--json", *words)
    assert done.returncode == 0
    expected = [dialog for dialog in ME.dialogs if meant(dialog)]
    assert expected
    found = [json.loads(line)["id"] for line in done.stdout.splitlines()]
    assert sorted(found) == sorted(dialog.marked_id for dialog in expected if readable(dialog))
    closed = sum(not readable(dialog) for dialog in expected)
    assert (f"{closed} chat" in done.stderr and "left out: forbidden" in done.stderr) == bool(closed)


def test_a_group_that_was_migrated_goes_on_as_its_supergroup(tmp_path: Path) -> None:
    """On a server of its own, in the same words as above: the group's place is taken by what it became."""
    rows: list[tuple[list[str], Callable[[Dialog], bool]]] = [
        (["--all"], lambda d: True),
        (["--type", "group"], lambda d: not is_user(d) and not channel(d) and not chat_flag("megagroup")(d)),
        (["--folder", "Shared"], lambda d: d.marked_id in (CHANNEL, LIVING, FORUM)),
        (["--match", "kitchen*", "--exclude-type", "forum"], like("kitchen.*")),
        ([str(LIVING), "--type", "saved"], lambda d: d.marked_id in (LIVING, ME.user_id)),
    ]
    with SimDC("--accounts", str(ACCOUNTS)) as dc:
        tgbulk = at_home(dc, tmp_path)
        assert tgbulk.login().returncode == 0
        after = int(dc.control("migrate", chat=LIVING))
        for words, meant in rows:
            done = tgbulk("chats", "--json", *words)
            assert done.returncode == 0, done.stderr
            found = [json.loads(line)["id"] for line in done.stdout.splitlines()]
            expected = {d.marked_id for d in ME.dialogs if meant(d) and readable(d)}
            assert LIVING in expected
            assert sorted(found) == sorted(expected - {LIVING} | {after}), words
            assert f"the group Kitchen & Garden 🍅 goes on as its supergroup {after}" in done.stderr, words
        forecast = tgbulk("export", "--dry-run", "--json", "--folder", "Shared", "-o", str(tmp_path / "a"))
        halves = {one["marked_id"] for one in map(json.loads, forecast.stdout.splitlines()) if one["kind"] == "chat"}
        assert halves == {CHANNEL, FORUM, LIVING, after}  # the old messages come along


def test_the_server_agrees_with_this_page_on_what_is_unread() -> None:
    from tgbulk.perf.simdc.services.dialog import Entry

    for dialog in ME.dialogs:
        history = WORLD.history(ME, dialog.marked_id)
        if history is not None and dialog.marked_id not in ME.private and len(history):
            assert (unread_count(Entry(dialog, history, 1, 1)) > 0) == unread(ME, dialog)


def test_sorted_with_counts(home: Tgbulk) -> None:
    done = home("chats", "--type", "channel,forum,supergroup", "--counts", "--sort", "title")
    heading, *rows = done.stdout.splitlines()
    assert heading.endswith("messages")
    by_id = {int(row.split()[0]): row for row in rows}
    histories = {marked: WORLD.history(ME, marked) for marked in by_id}
    assert all(history is not None and row.split()[-1] == str(len(history))
               for row, history in ((by_id[marked], histories[marked]) for marked in by_id if len(histories[marked] or ())))
    titles = [row.split(None, 2)[2].casefold() for row in rows]
    assert titles == sorted(titles)


def test_a_folder_that_is_not_there(home: Tgbulk) -> None:
    done = home("chats", "--folder", "Wrok")
    assert done.returncode == 2
    assert "there is no folder 'Wrok'; this account has 'News', 'Work'" in done.stderr


@pytest.mark.parametrize("data", [
    b"\xef\xbb\xbf# all of it\r\n@sim_kinds   # noted\r\n\r\n  me\r\nhttps://t.me/sim_forum#x",
    "# all of it\n@sim_kinds\nme\nt.me/sim_forum\n".encode("utf-16"),
])
def test_a_file_of_chats(home: Tgbulk, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "list").write_bytes(data)
    done = home("chats", "--json", "--chats-file", str(tmp_path / "list"))
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [KINDS, ME.user_id, FORUM]


def test_bad_lines_of_a_file(home: Tgbulk, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"me\n\n1.5\nhttps://t.me/share/url?url=x\n@sim_kinds\n")
    done = home("export", "--chats-file", str(tmp_path / "list"), "-o", str(tmp_path / "a"))
    assert done.returncode == 2
    assert f"{tmp_path / 'list'}, line 3: '1.5' is no chat" in done.stderr
    assert not (tmp_path / "a").exists()
    done = home("chats", "--json", "--chats-file", str(tmp_path / "list"), "--skip-bad")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [ME.user_id, KINDS]
    assert "line 3: '1.5' is no chat; it is skipped" in done.stderr
    assert "line 4: 'https://t.me/share/url?url=x' is a link that shares something, no chat; it is skipped" in done.stderr
    (tmp_path / "list").write_bytes(b"me\n\xff\xfe\n")
    done = home("chats", "--chats-file", str(tmp_path / "list"))
    assert (done.returncode, "line 2: it is not UTF-8" in done.stderr) == (2, True)
    assert home("chats", "--chats-file", str(tmp_path / "none")).returncode == 2


def test_chats_of_an_archive(home: Tgbulk, tmp_path: Path) -> None:
    archive = str(tmp_path / "a")
    done = home("export", "--folder", "Shared", "me", "--exclude-type", "channel", "-o", archive)
    assert done.returncode == 0, done.stderr
    made = {int(path.name) for path in (tmp_path / "a" / "chats").iterdir()}
    assert made == {LIVING, FORUM, ME.user_id}

    def shown(*words: str) -> list[int]:
        lines = home("status", archive, "--json", *words).stdout.splitlines()[1:]
        return [json.loads(line)["id"] for line in lines]

    assert set(shown()) == made
    assert set(shown("--type", "forum,group")) == {LIVING, FORUM}
    assert set(shown("--exclude", "me")) == {LIVING, FORUM}
    assert shown("--match", "kitchen*", "@sim_forum") == [FORUM, LIVING]
    assert shown("1500000010") == [FORUM]
    assert set(shown("--folder", "shared")) == {LIVING, FORUM}
    assert set(shown("--no-archived", "--exclude-folder", "Shared")) == {ME.user_id}
    done = home("status", archive, "--folder", "Wrok")
    assert (done.returncode, "'Wrok': no chat of the archive is in this folder; there are '" in done.stderr) == (2, True)
    done = home("status", archive, "@sim_kinds")
    assert (done.returncode, "'@sim_kinds': the archive has no such chat" in done.stderr) == (2, True)
    done = home("verify", archive, "--folder", "Shared", "--type", "forum", "--json")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()][-1] == FORUM, done.stdout
    done = home("render", "jsonl", archive, "-o", str(tmp_path / "r"), "--type", "group", "--no-archived")
    assert done.returncode == 0, done.stderr
    assert "1 chat rendered" in done.stderr
    assert home("export", "@sim_kinds", "--last", "1", "-o", archive).returncode == 0
    done = home("status", archive, "--json", "--folder", "Shared")
    assert "1 chat left out: the archive does not know their folders" in done.stderr
    (tmp_path / "a" / "listed.json").unlink()  # as an archive of an earlier version
    done = home("status", archive, "--archived")
    assert (done.returncode, "the archive does not know the folders of its chats" in done.stderr) == (2, True)
    assert "tgbulk: hint: An export learns that" in done.stderr


def test_completion_of_accounts_and_chats(home: Tgbulk, tmp_path: Path) -> None:
    assert home("export", "@sim_forum", "--last", "1", "-o", str(tmp_path / "a")).returncode == 0

    def complete(line: str) -> list[str]:
        words = {"_TGBULK_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        return [item.partition(",")[2] for item in home(**words).stdout.splitlines()]

    assert "export" in complete("tgbulk exp")
    assert complete("tgbulk export @sim_fo") == ["@sim_forum"]
    assert complete("tgbulk export --account ma") == ["main"]
