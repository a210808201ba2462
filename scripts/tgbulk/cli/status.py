"""`tgbulk status`"""
from __future__ import annotations

import os
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import click

from tgbulk.cli.choosing import chosen_ids, with_choice
from tgbulk.cli.table import draw
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.text import json_line, printable
from tgbulk.stages.archive.about import read_about
from tgbulk.stages.archive.account import Unlooked
from tgbulk.stages.archive.annex import LookState, load_annexes
from tgbulk.stages.archive.folder import ANNEXES, Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.row import COMPLETE, FAILED, GAPS, OPEN, ChatRow, JournalState, read_journal
from tgbulk.stages.archive.statement import Statement, counted
from tgbulk.stages.archive.summary import LastRun, last_run
from tgbulk.stages.fetch.choice import Choice
from tgbulk.stages.run.retry import retry_names

HEADINGS = ("id", "type", "title", "state", "messages", "covered", "next")
#: state of a chat -> what the next export of it does
_NEXT = {
    COMPLETE: "asks for what is new",
    OPEN: "goes on",
    FAILED: "tries again",
    GAPS: "asks again for what could not be decoded",
}
#: Ranges of ids shown of one chat.
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ArchiveStatus:
    """The first line of --json."""

    archive: str
    #: who holds it
    running: str | None
    last_run: dict[str, Any] | None
    torn_journal_bytes: int
    #: names that --retry-failed asks for
    retry: list[str]

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ChatStatus:
    """A line of --json."""

    #: marked id
    id: int
    type: str | None
    title: str | None
    state: str
    messages: int
    covered: list[IdRange]
    reason: str | None
    statement: Statement | None
    #: what the next export of it does
    next: str
    #: later versions, and messages that are deleted
    versions: int
    deleted: int
    #: Unix seconds: what changed until then is known, but for `unknown`; None: nobody looked
    known_until: int | None
    #: of which messages changes are unknown, from when to when
    unknown: list[Unlooked]
    #: what belongs to it beside its messages, by name: state, items, total, reason
    annexes: dict[str, dict[str, Any]]

    def document(self) -> dict[str, Any]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        covered = [one.closed() for one in self.covered]
        unknown = [{"since": one.since, "until": one.until, "ids": one.ids.closed()} for one in self.unknown]
        return values | {"covered": covered, "statement": self.statement and self.statement.document(), "unknown": unknown}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("archive")
@with_choice
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the archive itself, then each chat.")
def status(archive: str, choice: Choice, as_json: bool) -> None:
    """Show what ARCHIVE, or these CHATS of it, hold, what is running, what failed, and what the next export would do.

    Works offline, writes nothing, and is safe while an export is running.
    """
    place = Archive(Path(archive))
    if not place.about.exists():
        raise place.missing()
    place.check_format()
    holder = place.lock().holder()
    state = read_journal(place)
    last = last_run(place)
    left = retry_names(place, state.chats)
    only = chosen_ids(choice, place)
    shown = sorted(state.chats if only is None else only)
    chats = [_chat_status(place, state, state.chats[marked_id]) for marked_id in shown if marked_id in state.chats]
    if as_json:
        name = os.fsencode(place.root).decode("utf-8", "replace")
        about = ArchiveStatus(name, holder, last.document if last else None, state.torn, left)
        for document in [about.document(), *(chat.document() for chat in chats)]:
            sys.stdout.buffer.write(json_line(document))
        sys.stdout.buffer.flush()
        return
    draw(HEADINGS, [_row(chat) for chat in chats])
    for line in _lines(state, holder, last, chats):
        click.echo(line, err=True)
    if left and not holder:
        click.echo(f"export --retry-failed asks for {counted(len(left), 'chat')}", err=True)


def _chat_status(archive: Archive, state: JournalState, row: ChatRow) -> ChatStatus:
    about = read_about(archive, row.marked_id)
    closed = about.state == row.state
    return ChatStatus(
        row.marked_id, about.type, about.title, row.state, row.messages, row.covered,
        about.reason if closed else None, about.statement if closed else None, _next(archive, row),
        row.versions, row.deleted, state.known_until(row) or None, row.unlooked,
        _annexes(archive, row.marked_id),
    )


def _annexes(archive: Archive, marked_id: int) -> dict[str, dict[str, Any]]:
    try:
        found = load_annexes(archive.chat(marked_id))
    except DamagedDocumentError:
        return {}  # verify says so
    shown = ("state", "items", "total", "reason")
    return {name: {field: getattr(one, field) for field in shown} for name, one in found.items()}


def _next(archive: Archive, row: ChatRow) -> str:
    """What the next export of this chat does."""
    if not archive.chat(row.marked_id).exists():
        return "starts over, its folder is gone"
    return _NEXT[row.state]


def _row(chat: ChatStatus) -> list[str | int | None]:
    """For the table."""
    state = chat.state + (f": {chat.reason}" if chat.reason else "")
    ranges = [f"{one.lo}-{one.hi - 1}" for one in chat.covered]
    covered = " ".join(ranges[:_SHOWN]) + (f" +{len(ranges) - _SHOWN}" if len(ranges) > _SHOWN else "")
    return [chat.id, chat.type, chat.title, state, chat.messages, covered, chat.next]


def _lines(state: JournalState, holder: str | None, last: LastRun | None, chats: list[ChatStatus]) -> list[str]:
    """For people, below the table."""
    counts = Counter(chat.state for chat in chats)
    messages = sum(chat.messages for chat in chats)
    lines = [
        f"{len(chats)} chats: {counts[COMPLETE]} complete, {counts[OPEN]} under way, {counts[FAILED]} failed"
        + (f", {counts[GAPS]} with gaps" if counts[GAPS] else "") + f"; {messages:,} messages"
    ]
    belonging = Counter({name: sum(chat.annexes.get(name, {}).get("items", 0) for chat in chats) for name in ANNEXES})
    if any(belonging.values()):
        lines.append(", ".join(f"{name.replace('_', ' ')}: {count:,}" for name, count in belonging.items() if count))
    for chat in chats:
        for name, found in chat.annexes.items():
            if found["state"] == LookState.OPEN:
                why = f": {printable(found['reason'])}" if found["reason"] else ", a run was cut short there"
                lines.append(f"  {printable(chat.title or str(chat.id))}: {name.replace('_', ' ')} not whole{why}")
    if holder:
        lines.append(f"an export is running: {holder}")
    elif state.torn:
        lines.append(f"the journal ends with {state.torn:,} bytes that are not whole; the next export cuts them off")
    lines += _changes(chats)
    if last is None:
        lines.append("no run has come to its end")
    else:
        began = _moment(last.started)
        lines.append(f"last run that came to its end: {began}, {last.result}, {last.new_messages:,} new messages")
        lines += [f"  {printable(chat.name)}: {printable(chat.reason)}" for chat in last.failed]
        if last.stopped:
            lines.append(f"  stopped: {printable(last.stopped)}")
    return lines


def _changes(chats: list[ChatStatus]) -> list[str]:
    """As of when edits and deletions are known, and where they are not."""
    looked = [chat for chat in chats if chat.known_until]
    if not looked:
        return []
    versions, deleted = sum(chat.versions for chat in chats), sum(chat.deleted for chat in chats)
    oldest = min(chat.known_until or 0 for chat in looked)
    lines = [
        f"edits and deletions of {counted(len(looked), 'chat')} are known until {_moment(oldest)} or later: "
        f"{counted(versions, 'later version')}, {counted(deleted, 'deleted message')}"
    ]
    for chat in chats:
        title = printable(chat.title or str(chat.id))
        for one in chat.unknown[:_SHOWN]:
            since = _moment(one.since) if one.since else "their export"
            lines.append(f"  {title}: not known from {since} to {_moment(one.until)} of ids {one.ids}")
        if len(chat.unknown) > _SHOWN:
            lines.append(f"  {title}: and of {len(chat.unknown) - _SHOWN} more ranges of ids")
    return lines


def _moment(unix: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix))
