"""--dry-run against the real run: messages exact, bytes within 5 %, requests within 10 %, and little asked for."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.exporter import HISTORY, Exporter, chat_json
from support.medium import BIG, SMALL

MIDDLE, CHANGING = "@sim_middle", "@sim_changing"


def forecast(exporter: Exporter, archive: Path, *words: object, code: int = 0) -> list[dict[str, Any]]:
    done = exporter.tgbulk("export", "--dry-run", "--json", "-o", str(archive), *map(str, words))
    assert done.returncode == code, done.stderr
    assert not (archive / "runs").exists() or list(archive.glob("runs/*"))
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_messages_and_requests(exporter: Exporter, tmp_path: Path) -> None:
    names = [MIDDLE, CHANGING, "@sim_kinds", "me", "-1001500000003"]
    exporter.dc.control("reset")
    *chats, total = forecast(exporter, tmp_path / "a", *names)
    assert sum(exporter.calls().values()) <= 5 * len(names) + 10
    assert not (tmp_path / "a").exists()
    exporter.dc.control("reset")
    exporter.run(tmp_path / "a", *names)
    for chat in chats:
        assert (chat["messages"], chat["new"]) == (chat_json(tmp_path / "a", chat["marked_id"])["total"],) * 2
    real = exporter.calls()[HISTORY]
    assert abs(total["requests"] - real) <= 0.1 * real, (total, real)
    assert total["seconds"] == round(total["requests"] / total["rate"])


def test_what_is_new_and_a_part(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path / "a", CHANGING)
    exporter.dc.control("mutate", chat=CHANGING[1:], insert=7)
    chat, total = forecast(exporter, tmp_path / "a", CHANGING)
    assert (chat["new"], total["new"]) == (7, 7)
    chat, _ = forecast(exporter, tmp_path / "b", CHANGING, "--min-id", "1001", "--max-id", "2000")
    exporter.run(tmp_path / "b", CHANGING, "--min-id", "1001", "--max-id", "2000")
    assert chat["messages"] == chat_json(tmp_path / "b", chat["marked_id"])["messages"]
    chat, _ = forecast(exporter, tmp_path / "c", CHANGING, "--last", "50")
    assert chat["messages"] == 50


def test_the_same_chats_as_the_list_and_the_job(exporter: Exporter, tmp_path: Path) -> None:
    words = ["--type", "channel,forum,group", "--exclude-folder", "News"]
    listed = {json.loads(line)["id"] for line in exporter.tgbulk("chats", "--json", *words).stdout.splitlines()}
    *chats, _ = forecast(exporter, tmp_path / "a", *words)
    assert {chat["marked_id"] for chat in chats} == listed
    job = tmp_path / "job.toml"
    job.write_text('type = ["channel", "forum", "group"]\nexclude-folder = "News"\n')
    *chats, _ = forecast(exporter, tmp_path / "a", "--job", job)
    assert {chat["marked_id"] for chat in chats} == listed


def test_media(media_exporter: Exporter, tmp_path: Path) -> None:
    names = ["@sim_big", "@sim_small"]
    media_exporter.dc.control("reset")
    *chats, total = forecast(media_exporter, tmp_path / "a", *names, "--media", "all")
    assert sum(media_exporter.calls().values()) <= 15 * len(names)
    media_exporter.dc.control("reset")
    events = media_exporter.events(tmp_path / "a", *names, "--media", "all")
    stated = events[-1]["media"]
    assert sum(kind["files"] for chat in chats for kind in chat["media"].values()) == total["files"]
    assert abs(total["files"] - (BIG[0] + SMALL[0])) <= 0.05 * (BIG[0] + SMALL[0])
    assert abs(total["bytes"] - stated["bytes"]) <= 0.05 * stated["bytes"]
    calls = media_exporter.calls()
    real = calls[HISTORY] + calls["upload.getFile"]
    assert abs(total["requests"] - real) <= 0.1 * real, (total, real)


def test_several_accounts(exporter: Exporter, tmp_path: Path) -> None:
    """The second one is asked for what the first one has not, and brings its own pace."""
    lists = [exporter.tgbulk("chats", "--json", "--account", name).stdout for name in ("main", "second")]
    one, two = ({json.loads(line)["id"] for line in text.splitlines()} for text in lists)
    only_second = min(marked for marked in two - one if marked > 0)
    both = ["--account", "main", "--account", "second"]
    alone = forecast(exporter, tmp_path / "a", MIDDLE)[-1]
    *chats, total = forecast(exporter, tmp_path / "a", *both, only_second, MIDDLE, "@sim_nobody_at_all", code=3)
    assert total["rate"] == 2 * alone["rate"]
    assert [chat["name"] for chat in chats] == [MIDDLE, str(only_second), "@sim_nobody_at_all"]
    exporter.run(tmp_path / "a", *both, only_second, MIDDLE)
    assert [chat["messages"] for chat in chats[:2]] == [
        chat_json(tmp_path / "a", chat["marked_id"])["total"] for chat in chats[:2]]


def test_a_chat_that_cannot_be_had(exporter: Exporter, tmp_path: Path) -> None:
    missing, chat, total = forecast(exporter, tmp_path / "a", "@sim_nobody_at_all", "me", code=3)
    assert (missing["reason"], missing["code"], chat["reason"]) == ("nobody has this username", 4, "")
    assert (total["chats"], total["failed"]) == (1, 1)


def test_where_no_run_could_write(exporter: Exporter, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    for name, said in (("file", "it is not a folder"), ("full", "it is not empty and has no archive.json")):
        done = exporter.tgbulk("export", "--dry-run", "me", "-o", str(tmp_path / name))
        assert (done.returncode, said in done.stderr) == (8, True), done.stderr
