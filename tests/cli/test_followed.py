"""What happens to chats while they are followed: each has its end in the archive. One follower of two accounts."""
from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.command import at_home
from support.exporter import Exporter, chat_json, ended
from support.medium import rows
from tgbulk.perf.simdc.launcher import SimDC

LIVELY, KICKED, SWEPT, LATER = -1003000000001, -1003000000002, -1003000000003, -1003000000004
FILES, OTHER_FILES = -1003500000001, -1003500000002
UNJOINED = -1001500000009
GROUP, PARTNER, CLEARED, OF_SECOND = -4500000001, 5000000002, 100004765, 6000011380
#: Accounts take turns at those with a username: the first one, which is in them, comes at even places.
PUBLIC = ("@sim_lively", "@sim_unjoined", "@sim_swept", "@sim_kicked", "@sim_files")
NAMES = (*PUBLIC, str(GROUP), str(PARTNER), str(CLEARED), str(OF_SECOND))
#: Seconds that a condition may take on a slow machine.
PATIENCE = 120.0


def records(archive: Path, chat: int, name: str) -> list[dict[str, Any]]:
    """The lines of a chat's file."""
    path = archive / "chats" / str(chat) / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass(frozen=True)
class Followed:
    """A follower that has caught up."""

    exporter: Exporter
    archive: Path
    names: Path
    process: subprocess.Popen[str]

    def records(self, chat: int, name: str = "changes") -> list[dict[str, Any]]:
        """The lines of a chat's file."""
        return records(self.archive, chat, name)

    def ids(self, chat: int) -> list[int]:
        return [one["id"] for one in self.records(chat, "messages")]

    def mutate(self, chat: int, **what: Any) -> dict[str, Any]:
        done: dict[str, Any] = self.exporter.dc.control("mutate", chat=chat, **what)
        return done

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.1)

    def told(self, chat: int, kind: str) -> list[int]:
        """Ids of the changes of this kind."""
        return [one["id"] for one in self.records(chat) if one["kind"] == kind]

    def keeps_up(self) -> None:
        """Wait until what is pushed is written."""
        one = self.mutate(LIVELY, insert=1)["insert"][0]
        self.until(lambda: one in self.ids(LIVELY))


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    bulk = ["--bulk", "lively=60", "--bulk", "kicked=40", "--bulk", "swept=20", "--bulk", "later=20"]
    home, archive = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("out") / "archive"
    with SimDC("--accounts", "2", *bulk, "--files", "files=5x1000", "--files", "other=2x1000") as dc:
        exporter = Exporter(at_home(dc, home))
        names = home / "names"
        names.write_text("\n".join(NAMES))
        words = ["--chats-file", str(names), "--account", "main", "--account", "second", "--media", "all", "-q"]
        with ended(exporter.tgbulk.start("follow", str(archive), *words)) as process:
            found = Followed(exporter, archive, names, process)
            found.until(lambda: found.ids(LIVELY) != [])
            found.keeps_up()
            found.mutate(UNJOINED, edit=found.ids(UNJOINED)[-1:], text="nobody tells of it")
            yield found
            found.until(lambda: all(row["state"] != "pending" for row in rows(archive)))
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE)
            assert "Traceback" not in said
            assert process.returncode == 0, said
            done = exporter.tgbulk("verify", str(archive))
            assert done.returncode == 0, done.stdout + done.stderr


def test_messages_that_delete_themselves(followed: Followed) -> None:
    made = followed.mutate(LIVELY, insert=2, ttl=2)["insert"]
    followed.until(lambda: set(made) <= set(followed.told(LIVELY, "deleted")))
    kept = [one for one in followed.records(LIVELY, "messages") if one["id"] in made]
    assert [one["ttl_period"] for one in kept] == [2, 2]


def test_a_message_comes_back(followed: Followed) -> None:
    number = followed.ids(LIVELY)[3]
    followed.mutate(LIVELY, delete=[number])
    followed.until(lambda: number in followed.told(LIVELY, "deleted"))
    followed.mutate(LIVELY, restore=[number])
    followed.until(lambda: number in followed.told(LIVELY, "restored"))


def test_out_and_in_again(followed: Followed) -> None:
    """What happened behind the door is asked for."""
    first, second = followed.ids(KICKED)[:2]
    for account in (0, 1):
        followed.exporter.dc.control("alter", chat=KICKED, private=True, account=account)
    followed.mutate(KICKED, edit=[first], text="unseen", delete=[second])
    made = followed.mutate(KICKED, insert=2)["insert"]
    followed.keeps_up()
    assert followed.records(KICKED) == []
    for account in (0, 1):
        followed.exporter.dc.control("alter", chat=KICKED, private=False, account=account)
    followed.until(lambda: len(followed.records(KICKED)) == 2)
    assert (followed.told(KICKED, "version"), followed.told(KICKED, "deleted")) == ([first], [second])
    followed.until(lambda: followed.ids(KICKED)[-2:] == made)


def test_what_failed_is_tried_again_when_the_account_is_let_in(followed: Followed, tmp_path: Path) -> None:
    """It was out when the follower came to the chat; in the end it is a complete one all the same."""
    dc = followed.exporter.dc
    tgbulk, names, archive = at_home(dc, tmp_path), tmp_path / "names", tmp_path / "archive"
    assert tgbulk.login(1).returncode == 0
    names.write_text("@sim_lively\n@sim_later\n")
    assert tgbulk("export", "-o", str(archive), "--chats-file", str(names), "--last", "3").returncode == 0
    dc.control("alter", chat=LATER, private=True, account=1)
    with ended(tgbulk.start("follow", str(archive), "--chats-file", str(names), "--json")) as process:
        assert process.stdout is not None
        events = map(json.loads, process.stdout)
        assert next(one for one in events if one["event"] == "chat_failed")["marked_id"] == LATER
        made = followed.mutate(LIVELY, insert=1)["insert"]
        followed.until(lambda: [line["id"] for line in records(archive, LIVELY, "messages")][-1:] == made)
        dc.control("alter", chat=LATER, private=False, account=1)
        next(one for one in events if one["event"] == "chat_ended" and one["marked_id"] == LATER)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said


def test_a_private_chat_is_cleared(followed: Followed) -> None:
    """For both; the messages stay in the archive."""
    known = followed.ids(CLEARED)
    gone = followed.mutate(CLEARED, clear=True)["clear"]
    assert set(gone) >= set(known)
    followed.until(lambda: followed.told(CLEARED, "deleted") != [] and set(followed.told(CLEARED, "deleted")) == set(known))
    assert followed.ids(CLEARED) == known


def test_a_channel_is_cleared_for_one_account(followed: Followed) -> None:
    top = followed.ids(SWEPT)[-1]
    for account in (0, 1):
        followed.mutate(SWEPT, account=account, clear=True)
    followed.until(lambda: followed.told(SWEPT, "cleared") == [top])


def test_each_account_has_its_own_ids(followed: Followed) -> None:
    """The same id is a message of a chat of each."""
    spaces = {0: (PARTNER, 0), 1: (OF_SECOND, 1)}
    made = {index: followed.exporter.dc.control("mutate", chat=chat, account=account, insert=2)["insert"]
            for index, (chat, account) in spaces.items()}
    for index, (chat, _) in spaces.items():
        followed.until(lambda chat=chat, index=index: followed.ids(chat)[-2:] == made[index])  # type: ignore[misc]
    number = followed.ids(OF_SECOND)[0]
    before = followed.records(PARTNER)
    followed.exporter.dc.control("mutate", chat=OF_SECOND, account=1, delete=[number, made[1][0]])
    followed.until(lambda: set(followed.told(OF_SECOND, "deleted")) == {number, made[1][0]})
    assert followed.records(PARTNER) == before
    assert {one["account"] for one in followed.records(OF_SECOND)} == {5000000002}


def test_files_of_what_changes(followed: Followed) -> None:
    """That of an edited message comes, that of a deleted one stays."""
    def paths() -> dict[int, Path]:
        done = [row for row in rows(followed.archive) if row["state"] == "done"]
        return {row["id"]: followed.archive / "media" / row["path"] for row in done}

    shown = {one["id"]: one["media"]["document"]["id"] for one in followed.records(FILES, "messages")}
    followed.until(lambda: paths().keys() >= set(shown.values()))
    first, second, *_ = shown
    followed.mutate(FILES, edit=[first], media_of=[OTHER_FILES, 1])
    followed.mutate(FILES, delete=[second])
    followed.until(lambda: second in followed.told(FILES, "deleted") and first in followed.told(FILES, "version"))
    (version,) = [one["message"] for one in followed.records(FILES) if one["kind"] == "version"]
    fresh = version["media"]["document"]["id"]
    assert fresh not in shown.values()
    followed.until(lambda: fresh in paths())
    assert all(paths()[document].stat().st_size == 1000 for document in (fresh, *shown.values()))


def test_a_group_becomes_a_supergroup(followed: Followed) -> None:
    newer = followed.exporter.dc.control("migrate", chat=GROUP)
    followed.until(lambda: followed.ids(newer) == [1])
    made = followed.mutate(newer, insert=2)["insert"]
    followed.until(lambda: followed.ids(newer) == [1, *made])
    assert followed.records(GROUP, "messages")[-1]["action"]["_"] == "messageActionChatMigrateTo"
    followed.until(lambda: chat_json(followed.archive, GROUP).get("migrated_to") == newer)


def test_a_channel_that_the_account_is_not_in(followed: Followed) -> None:
    """It is asked again and again."""
    followed.until(lambda: followed.told(UNJOINED, "version") == followed.ids(UNJOINED)[-1:])


def test_names_are_read_again_at_sighup(followed: Followed) -> None:
    followed.names.write_text("\n".join((*NAMES, "@sim_later")))
    followed.process.send_signal(signal.SIGHUP)
    followed.until(lambda: len(followed.ids(LATER)) == 20)
    made = followed.mutate(LATER, insert=1)["insert"]
    followed.until(lambda: followed.ids(LATER)[-1:] == made)
