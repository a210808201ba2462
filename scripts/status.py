"""`tgbulk status`"""
from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import click
import orjson

from engine.error import StorageError
from engine.lock import Lock
from scripts.retry import retry_names
from scripts.table import draw, printable
from stages.statement import counted
from stages.verify.state import State, last_summary, read_about, read_state
from stages.write.archive import Archive
from stages.write.chat import Progress

HEADINGS = ("id", "type", "title", "state", "messages", "covered", "next")
#: state of a chat -> what the next export of it does
_NEXT = {
    "complete": "asks for what is new",
    "open": "goes on",
    "failed": "tries again",
    "gaps": "asks again for what could not be decoded",
}
#: Ranges of ids shown of one chat.
_SHOWN = 3


@click.command()
@click.argument("archive")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the archive itself, then each chat.")
def status(archive: str, as_json: bool) -> None:
    """Say what ARCHIVE holds, what is under way, what failed, and what the next export would do.

    Works offline, writes nothing, and may be called while a run is going on.
    """
    place = Archive(Path(archive))
    if not (place.root / "archive.json").exists():
        raise StorageError(place.root, "there is no archive")
    place.check_format()
    holder = Lock(place.root / "lock", "").holder()
    state = read_state(place)
    last = last_summary(place)
    left = retry_names(place, state.chats)
    chats = [_chat(place, state.chats[marked_id]) for marked_id in sorted(state.chats)]
    if as_json:
        name = os.fsencode(place.root).decode("utf-8", "replace")
        about = {"archive": name, "running": holder, "last_run": last, "torn_journal_bytes": state.torn, "retry": left}
        for document in [about, *chats]:
            sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()
        return
    draw(HEADINGS, [_row(chat) for chat in chats])
    for line in _about(state, holder, last, chats):
        click.echo(line, err=True)
    if left and not holder:
        click.echo(f"export --retry-failed asks for {counted(len(left), 'chat')}", err=True)


def _chat(archive: Archive, progress: Progress) -> dict[str, Any]:
    about = read_about(archive, progress.marked_id)
    closed = about.get("state") == progress.state
    return {
        "id": progress.marked_id,
        "type": about.get("type"),
        "title": about.get("title"),
        "state": progress.state,
        "messages": progress.messages,
        "covered": [[lo, following - 1] for lo, following, *_ in progress.ranges],
        "reason": about.get("reason") if closed else None,
        "statement": about.get("statement") if closed else None,
        "next": _next(archive, progress),
    }


def _next(archive: Archive, progress: Progress) -> str:
    """What the next export of this chat does."""
    if not archive.chat(progress.marked_id).is_dir():
        return "begins anew, its folder is gone"
    return _NEXT[progress.state]


def _row(chat: dict[str, Any]) -> list[str | int | None]:
    state = chat["state"] + (f": {chat['reason']}" if chat["reason"] else "")
    ranges = [f"{first}-{last}" for first, last in chat["covered"]]
    covered = " ".join(ranges[:_SHOWN]) + (f" +{len(ranges) - _SHOWN}" if len(ranges) > _SHOWN else "")
    return [chat["id"], chat["type"], chat["title"], state, chat["messages"], covered, chat["next"]]


def _about(state: State, holder: str | None, last: dict[str, Any] | None, chats: list[dict[str, Any]]) -> list[str]:
    counts = {name: sum(chat["state"] == name for chat in chats) for name in _NEXT}
    messages = sum(chat["messages"] for chat in chats)
    lines = [
        f"{len(chats)} chats: {counts['complete']} complete, {counts['open']} under way, {counts['failed']} failed"
        + (f", {counts['gaps']} with gaps" if counts["gaps"] else "") + f"; {messages:,} messages"
    ]
    if holder:
        lines.append(f"a run is going on: {holder}")
    elif state.torn:
        lines.append(f"the journal ends with {state.torn:,} bytes that are not whole; the next export cuts them off")
    if last is None:
        lines.append("no run has come to its end")
    else:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last["started"]))
        lines.append(f"last run that came to its end: {began}, {last['result']}, {last['new_messages']:,} new messages")
        lines += [f"  {printable(one['name'])}: {printable(one['reason'])}" for one in last["failed"]]
        if last["stopped"]:
            lines.append(f"  stopped: {printable(last['stopped']['reason'])}")
    return lines
