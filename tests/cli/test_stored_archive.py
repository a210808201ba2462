"""An archive that a version before this one wrote is read, gone on with and verified; the same runs write the same bytes."""
from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import at_home
from support.exporter import Exporter
from support.rig import content
from tgbulk.engine.error import ExitCode
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.account import is_common
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.reader import ArchiveReader
from tgbulk.stages.archive.row import PLACES, read_journal

STORED = sorted((Path(__file__).parents[1] / "support" / "archives").glob("*.tar.xz"))
GROUP, PRIVATE, CHANNEL = "-4500000001", "5000000002", "-1001500000004"
HOLLOW, FORBIDDEN = "-1001500000012", "-1001500000008"
CUT = -1003000000002
#: What support/archives/README.md lists, and the exit codes: all but the run that was killed.
RUNS = (
    (("--", GROUP, PRIVATE, HOLLOW, FORBIDDEN), ExitCode.PARTIAL),
    (("--last", "40", "--", CHANNEL), ExitCode.COMPLETE),
    (("--min-id", "300", "--max-id", "360", "--", "@sim_stored"), ExitCode.COMPLETE),
    (("--media", "document", "--", "@sim_papers"), ExitCode.COMPLETE),
)


@pytest.fixture(scope="module")
def same_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with SimDC("--bulk", "stored=700", "--bulk", "cut=450", "--files=papers=3x600") as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


@pytest.fixture(params=STORED, ids=lambda path: path.name.partition(".")[0])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The archive, beside it the folder of what is expected."""
    with tarfile.open(request.param) as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path / "stored"


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_it_is_read_and_verified_as_by_its_own_version(same_server: Exporter, stored: Path) -> None:
    """Every field that its version had says the same; what newer fields say of changes is that nobody looked for any."""
    before = files(stored)
    for command, code in (("status", ExitCode.COMPLETE), ("verify", ExitCode.PARTIAL)):
        done = same_server.tgbulk(command, "--json", str(stored))
        assert done.returncode == code, done.stderr
        expected = objects((stored.parent / "expected" / f"{command}.jsonl").read_text())
        found = objects(done.stdout)
        if command == "status":
            assert found[0].pop("archive") == str(stored)
            expected[0].pop("archive")
        known = [{name: ours[name] for name in theirs} for ours, theirs in zip(found, expected, strict=True)]
        assert known == expected
        if command == "status":
            newer = [(one["versions"], one["deleted"], one["known_until"], one["unknown"]) for one in found[1:]]
            assert newer == [(0, 0, None, [])] * len(newer)
    assert files(stored) == before


def test_its_messages_peers_and_media_are_read(stored: Path) -> None:
    archive = ArchiveReader(stored)
    rows = read_journal(Archive(stored)).chats
    for chat in archive.chats():
        found = [message["id"] for message in chat.messages()]
        assert len(found) == rows[chat.marked_id].messages > 0
        assert found == sorted(set(found))
        assert all(any(number in one for one in rows[chat.marked_id].covered) for number in found)
        assert chat.peers
        assert chat.about.title
    assert {chat.marked_id for chat in archive.chats()} == rows.keys()
    states = [one.state for one in archive.media.files()]
    assert states.count("done") == 3
    archive.media.close()


def test_the_same_runs_write_the_same(same_server: Exporter, stored: Path, tmp_path: Path) -> None:
    """The chats' files (peers in any order) and the media, byte for byte; of the journal's rows the first 11 places, all
    that there were: those from 11 on are the boxes' state, by which the chat was looked at and nothing in it changed."""
    fresh = tmp_path / "fresh"
    for words, code in RUNS:
        same_server.run(fresh, *words, code=code)
    rows, expected = read_journal(Archive(fresh)).chats, read_journal(Archive(stored)).chats
    assert len(rows) == 6
    for marked_id, row in rows.items():
        assert row.pack()[:PLACES] == expected[marked_id].pack()
        assert (row.change_bytes, row.change_crc, row.versions, row.deleted, row.late, row.unlooked) == (0, 0, 0, 0, 0, [])
        assert row.looked > 0
        assert (row.pts > 0) == (not is_common(marked_id))
        ours, theirs = Archive(fresh).chat(marked_id), Archive(stored).chat(marked_id)
        folder = Path("chats", str(marked_id))
        assert files(fresh / folder).keys() == files(stored / folder).keys() > set()
        assert ours.messages.read_bytes() == theirs.messages.read_bytes()
        assert ours.about.read_bytes() == theirs.about.read_bytes()
        assert sorted(ours.peers.read_bytes().splitlines()) == sorted(theirs.peers.read_bytes().splitlines())
    media = {name: data for name, data in files(fresh).items() if name.startswith("media/")}
    assert media == {name: data for name, data in files(stored).items() if name.startswith("media/")}
    assert len(media) == 3


def test_it_is_gone_on_with(same_server: Exporter, stored: Path, tmp_path: Path) -> None:
    """The run that was killed is taken up, and what was left out of the channel comes, into the files that are there."""
    fresh = tmp_path / "fresh"
    names = (GROUP, PRIVATE, HOLLOW, CHANNEL, "@sim_cut", "@sim_stored", "@sim_papers")
    before = Archive(stored).chat(CUT).messages.read_bytes()[: read_journal(Archive(stored)).chats[CUT].joined_size]
    same_server.run(fresh, "--media", "document", "--", *names)
    same_server.run(stored, "--media", "document", "--", *names)
    assert json.loads((stored / "archive.json").read_text())["format"] == 2
    found, expected = content(stored), content(fresh)
    for name, value in expected.items():
        assert found[name] == value, name
    assert found[f"{CUT} messages"].startswith(before)
    assert before
    shutil.rmtree(fresh)
    own, *chats = objects(same_server.tgbulk("verify", "--json", str(stored)).stdout)
    assert {one["verdict"] for one in chats} == {"whole"}
    # Of the chat that was not asked for, documents are wanted now.
    assert [one["file"] for one in own["findings"]] == ["media"]
