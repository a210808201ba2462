"""An archive against the server: counts first, then whole walks of the chats that do not add up."""
from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tgbulk.engine.error import ExitCode, TgbulkError
from tgbulk.stages.archive.about import name_of, read_about
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.lines import cut_from, parse_lines, read_blocks
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.archive.row import COMPLETE, ChatRow, read_journal
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.verify.difference import compare, read_messages
from tgbulk.stages.verify.report import Report, Weight
from tgbulk.stages.verify.server import Question, ServerAnswer, ask

#: Exports these names into an archive; COMPLETE, or the code of what ended it before its time.
Export = Callable[[list[str], Path], ExitCode]


def compare_with_server(
    archive: Archive, access: Access, reports: list[Report], export: Export, notify: Callable[[object], None]
) -> ExitCode:
    """Add to the reports of sound, complete chats what the server says of them now. TgbulkError when it says nothing.

    COMPLETE, or the code of what ended the walks before their time.
    """
    chats = {one.marked_id: one for one in reports if one.marked_id and one.worst == Weight.NOTE and one.covered}
    questions = [Question(i, name_of(archive, i), report.covered[-1].hi - 1) for i, report in chats.items()]
    answers = asyncio.run(ask(access, questions, notify)) if questions else {}
    rows = read_journal(archive).chats
    doubtful = [i for i, report in chats.items() if not _adds_up(archive, rows[i], report, answers[i])]
    if not doubtful:
        return ExitCode.COMPLETE
    with _aside(archive) as fresh:
        code = export([name_of(archive, i) for i in doubtful], fresh.root)
        for marked_id in doubtful:
            _walk(archive, rows[marked_id], fresh, chats[marked_id])
    return code


def _adds_up(archive: Archive, row: ChatRow, report: Report, answer: ServerAnswer | TgbulkError) -> bool:
    """False where only a walk can tell."""
    assert report.marked_id is not None
    path = archive.chat(report.marked_id).messages
    if isinstance(answer, TgbulkError):
        report.add(Weight.UNFINISHED, report.where(path), f"it could not be compared: {answer}")
        return True
    lowest = answer.newest[0]["id"] if answer.newest else 0
    sample = compare(_latest(archive, row, lowest), answer.newest, report.covered)
    said = report.statement
    whole = said is not None and said.withheld is not None and answer.count is not None
    if sample.missing or (whole and said and (said.withheld or answer.count != said.count)):
        return False
    sample.add_to(report, report.where(path))
    if not whole:
        text = f"counts cannot be compared, since it is a part of the chat; the {len(answer.newest)} newest messages were"
        report.add(Weight.NOTE, report.where(path), text)
    return True


def _latest(archive: Archive, row: ChatRow, first: int = 1) -> Iterator[dict[str, Any]]:
    """The latest forms of a sound chat's messages, from this id on."""
    snapshot = ChatSnapshot(archive.root, row, read_about(archive, row.marked_id))
    return snapshot.changes().forms(parse_lines(read_blocks(cut_from(snapshot.pieces, first))), "latest", first)


def _walk(archive: Archive, row: ChatRow, fresh: Archive, report: Report) -> None:
    """Compare every message with an archive that was made just now."""
    assert report.marked_id is not None
    path = archive.chat(report.marked_id).messages
    about = read_about(fresh, report.marked_id)
    if about.state != COMPLETE:
        reason = about.reason or "its walk did not come to its end"
        report.add(Weight.UNFINISHED, report.where(path), f"it could not be compared: {reason}")
        return
    walked = read_messages(fresh.chat(report.marked_id).messages)
    found = compare(_latest(archive, row), walked, report.covered)
    report.missing = found.missing
    found.add_to(report, report.where(path))


@contextmanager
def _aside(archive: Archive) -> Iterator[Archive]:
    """An archive within the archive, for as long as it is needed."""
    fresh = Archive(archive.root / f"verify-{secrets.token_hex(3)}")
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh.root, ignore_errors=True)
