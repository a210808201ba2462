"""`tgbulk verify --against-server`: counts first, then whole walks of the chats that do not add up."""
from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from engine.error import ExitCode, TgbulkError
from scripts.export import export_for
from scripts.retry import name_of
from scripts.setting import Setting
from stages.event import Notice, Waiting
from stages.verify.difference import compare, read_messages
from stages.verify.finding import Report, Weight
from stages.verify.server import Answer, Question, ask
from stages.verify.state import read_about
from stages.write.archive import Archive


def compare_with_server(archive: Archive, setting: Setting, reports: list[Report]) -> ExitCode:
    """Add to the reports of sound, complete chats what the server says of them now. TgbulkError when it says nothing.

    COMPLETE, or the code of what ended the walks before their time.
    """
    chats = {one.marked_id: one for one in reports if one.marked_id and one.worst == Weight.NOTE and one.covered}
    questions = [Question(i, name_of(archive, i), report.covered[-1][1] - 1) for i, report in chats.items()]
    answers = asyncio.run(ask(setting.access, questions, tell)) if questions else {}
    doubtful = [i for i, report in chats.items() if not _adds_up(archive, report, answers[i])]
    if not doubtful:
        return ExitCode.COMPLETE
    with _aside(archive) as fresh:
        code = export_for([setting.access], (name_of(archive, i) for i in doubtful), fresh.root)
        for marked_id in doubtful:
            _walk(archive, fresh, chats[marked_id])
    return code


def _adds_up(archive: Archive, report: Report, answer: Answer | TgbulkError) -> bool:
    """False where only a walk can tell."""
    assert report.marked_id is not None
    path = archive.chat(report.marked_id) / "messages.jsonl"
    if isinstance(answer, TgbulkError):
        report.add(Weight.UNFINISHED, report.where(path), f"it could not be compared: {answer}")
        return True
    lowest = answer.newest[0]["id"] if answer.newest else 0
    sample = compare(read_messages(path, lowest), answer.newest, report.covered)
    said = report.statement
    whole = said is not None and said.withheld is not None and answer.count is not None
    if sample.missing or (whole and said and (said.withheld or answer.count != said.count)):
        return False
    sample.tell(report, report.where(path))
    if not whole:
        text = f"counts cannot be compared, since it is a part of the chat; the {len(answer.newest)} newest messages were"
        report.add(Weight.NOTE, report.where(path), text)
    return True


def _walk(archive: Archive, fresh: Archive, report: Report) -> None:
    """Compare every message with an archive that was made just now."""
    assert report.marked_id is not None
    path = archive.chat(report.marked_id) / "messages.jsonl"
    about = read_about(fresh, report.marked_id)
    if about.get("state") != "complete":
        reason = about.get("reason", "its walk did not come to its end")
        report.add(Weight.UNFINISHED, report.where(path), f"it could not be compared: {reason}")
        return
    walked = read_messages(fresh.chat(report.marked_id) / "messages.jsonl")
    found = compare(read_messages(path), walked, report.covered)
    report.missing = found.missing
    found.tell(report, report.where(path))


@contextmanager
def _aside(archive: Archive) -> Iterator[Archive]:
    """An archive within the archive, for as long as it is needed."""
    fresh = Archive(archive.root / f"verify-{secrets.token_hex(3)}")
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh.root, ignore_errors=True)


def tell(event: Any) -> None:
    """What Telegram keeps us waiting for, and what else is to be said."""
    if isinstance(event, Waiting):
        click.echo(f"tgbulk: Telegram asks to wait {event.seconds} seconds before the next {event.method}", err=True)
    elif isinstance(event, Notice):
        click.echo(f"tgbulk: {event.text}", err=True)
