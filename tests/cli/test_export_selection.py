"""Parts of chats: by id, by time, the newest; then the rest."""
from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.exporter import HISTORY, Exporter, chat_json, lines, wrong

NAME, CHAT = "@sim_busy", -1001500000001
CHANNEL_NAME, CHANNEL = "@sim_channel", -1001500000004


@pytest.fixture(scope="module")
def truth(_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _exporter.truth(tmp_path_factory.mktemp("truth"), [CHAT])


@pytest.fixture(scope="module")
def whole(truth: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (truth / f"{CHAT}.jsonl").read_bytes().splitlines()]


def stamp(seconds: int, form: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def test_ids(exporter: Exporter, tmp_path: Path, whole: list[dict[str, Any]]) -> None:
    exporter.run(tmp_path / "a", NAME, "--min-id", 300, "--max-id", 412)
    assert lines(tmp_path / "a", CHAT) == [one for one in whole if 300 <= one["id"] <= 412]
    assert exporter.calls()[HISTORY] <= 4


@pytest.fixture(scope="module")
def dated(_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A channel without imported messages, whose dates are older than their neighbours'."""
    truth = _exporter.truth(tmp_path_factory.mktemp("truth"), [CHANNEL])
    found = [json.loads(line) for line in (truth / f"{CHANNEL}.jsonl").read_bytes().splitlines()]
    assert sorted(found, key=lambda one: one["date"]) == found
    return found


def test_times(exporter: Exporter, tmp_path: Path, dated: list[dict[str, Any]]) -> None:
    since, until = dated[len(dated) // 3]["date"], dated[2 * len(dated) // 3]["date"]
    exporter.run(tmp_path / "unix", CHANNEL_NAME, "--since", since, "--until", until)
    expected = [one for one in dated if since <= one["date"] <= until]
    assert len(expected) > 50
    assert lines(tmp_path / "unix", CHANNEL) == expected
    assert exporter.calls()[HISTORY] <= len(expected) / 100 + 4
    iso = ["--since", stamp(since, "%Y-%m-%dT%H:%M:%S"), "--until", stamp(until, "%Y-%m-%d %H:%M:%S+00:00")]
    exporter.run(tmp_path / "iso", CHANNEL_NAME, *iso)
    assert lines(tmp_path / "iso", CHANNEL) == expected


def test_a_day_is_whole_at_both_ends(exporter: Exporter, tmp_path: Path, dated: list[dict[str, Any]]) -> None:
    day = stamp(dated[len(dated) // 2]["date"], "%Y-%m-%d")
    exporter.run(tmp_path / "a", CHANNEL_NAME, "--since", day, "--until", day)
    assert lines(tmp_path / "a", CHANNEL) == [one for one in dated if stamp(one["date"], "%Y-%m-%d") == day]


def test_a_time_before_the_first_message_asks_for_nothing(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path / "a", CHANNEL_NAME, "--until", "2001-01-01")
    assert lines(tmp_path / "a", CHANNEL) == []
    about = chat_json(tmp_path / "a", CHANNEL)
    assert about["asked"] == [2, 1]
    assert (about["statement"]["missing"], about["statement"]["filtered"]) == ([], [[1, 1], [2, 0]])
    said = exporter.tgbulk("verify", str(tmp_path / "a"))
    assert (said.returncode, "not asked for: ids 1, 2 and above" in said.stdout) == (0, True)


def test_imported_messages_do_not_cut_a_time_short(
    exporter: Exporter, tmp_path: Path, whole: list[dict[str, Any]]
) -> None:
    """Where dates are not in the order of ids, too much may come, but nothing of that time is left out."""
    dates = sorted(one["date"] for one in whole)
    since, until = dates[len(dates) // 3], dates[2 * len(dates) // 3]
    exporter.run(tmp_path / "a", NAME, "--since", since, "--until", until)
    found = {one["id"] for one in lines(tmp_path / "a", CHAT)}
    native = {one["id"] for one in whole if since <= one["date"] <= until and not one.get("fwd_from", {}).get("imported")}
    assert native <= found


@pytest.mark.parametrize("count", [1, 250, 5000])
def test_the_newest(exporter: Exporter, tmp_path: Path, whole: list[dict[str, Any]], truth: Path, count: int) -> None:
    """N of what the server counts: deleted ones that come as messageEmpty are among them."""
    exporter.run(tmp_path / "a", NAME, "--last", count)
    found = lines(tmp_path / "a", CHAT)
    assert found == whole[len(whole) - len(found) :]
    empty = json.loads((truth / f"{CHAT}.json").read_text())["empty"]
    assert len(found) <= count
    assert len(found) + len(empty) >= min(count, len(whole))


NOTHING: tuple[list[Any], ...] = (
    ["--min-id", 2_000_000_000], ["--until", "2001-01-01"], ["--min-id", 9, "--max-id", 3],
)


def test_nothing_is_selected(exporter: Exporter, tmp_path: Path) -> None:
    for number, words in enumerate(NOTHING):
        exporter.run(tmp_path / str(number), NAME, *words)
        assert lines(tmp_path / str(number), CHAT) == []


def test_parts_in_any_order_then_all(exporter: Exporter, tmp_path: Path, truth: Path) -> None:
    """Each run asks for what is missing of its part alone, and the whole is as if it had been fetched at once."""
    archive = tmp_path / "a"
    ids = ["--min-id", 500, "--max-id", 800], ["--max-id", 90], ["--min-id", 700, "--max-id", 1000]
    for words in (["--last", 100], *ids):
        exporter.run(archive, NAME, *words)
        found = [one["id"] for one in lines(archive, CHAT)]
        assert found == sorted(set(found))
    exporter.calm()
    exporter.run(archive, NAME, "--min-id", 600, "--max-id", 900)
    assert exporter.calls()[HISTORY] == 0
    exporter.run(archive, NAME)
    assert wrong(archive, truth) == {}
    exporter.calm()
    exporter.run(archive, NAME)
    assert exporter.calls()[HISTORY] == 0
    exporter.run(tmp_path / "b", NAME)
    name = Path("chats") / str(CHAT) / "messages.jsonl"
    assert (archive / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ["--since", "yesterday"], ["--until", "2024-13-01"], ["--since", "1969-12-31"], ["--until", "2200-01-01"],
        ["--since", "99999999999"], ["--min-id", "0"], ["--max-id", "x"], ["--last", "-1"], ["--since", ""],
    ],
)
def test_selections_that_make_no_sense(exporter: Exporter, tmp_path: Path, words: list[str]) -> None:
    done = exporter.run(tmp_path / "a", NAME, *words, code=2)
    assert f"Invalid value for '{words[0]}'" in done.stderr
    assert not (tmp_path / "a").exists()
