"""A whole archive, checked offline: its own files first, then chat after chat."""
from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import document
from engine.document import DamagedDocumentError
from engine.error import LockedError, NewerFormatError, StorageError, UsageError
from engine.journal import DamagedJournalError
from engine.lock import Lock
from stages.verify.chat import check_chat
from stages.verify.finding import Report, Weight
from stages.verify.media import check_media
from stages.verify.state import State, last_summary, read_about, read_state, summaries
from stages.write.archive import FORMAT, Archive

#: What else can lie in an archive's folder.
_ENTRIES = {
    "archive.json", "journal", "chats", "runs", "lock", "quarantine", "media", "media.sqlite", "media.sqlite-journal",
}


@contextmanager
def held(archive: Archive) -> Iterator[None]:
    """Keep runs away, LockedError while there is one. Where nothing can be written this only looks for a run."""
    lock = Lock(archive.root / "lock", f"archive {archive.root}")
    try:
        lock.acquire()
    except StorageError:
        holder = lock.holder()
        if holder:
            raise LockedError(lock.what, holder) from None
        yield
        return
    try:
        yield
    finally:
        lock.remove()


def check_archive(archive: Archive, only: list[int] | None = None, media: bool = True) -> Iterator[Report]:
    """A report of the archive itself, then of each chat, or of these alone, in the order of their marked ids.

    NewerFormatError, UsageError for a chat that is not there, StorageError for a folder that is no archive, OSError.
    Media belong to no chat alone: where they are checked, that is with the archive itself.
    """
    report = Report(archive.root)
    _check_about(archive, report)
    try:
        state = read_state(archive)
    except DamagedJournalError as error:
        report.add(Weight.DAMAGE, "journal", f"at byte {error.args[1]}, {error.args[2]}; no chat can be checked")
        yield report
        return
    _check_journal(archive, state, report)
    _check_runs(archive, report)
    folders = _folders(archive)
    chats = sorted(state.chats.keys() | folders.keys()) if only is None else only
    if strange := set(chats) - state.chats.keys() - folders.keys():
        raise UsageError(f"the archive has no chat {min(strange)}")
    _name_strangers(archive, report)
    if media:
        check_media(archive, report)
    yield report
    for marked_id in chats:
        yield check_chat(archive, state.chats[marked_id]) if marked_id in state.chats else _orphan(archive, marked_id)


def _check_about(archive: Archive, report: Report) -> None:
    path = archive.root / "archive.json"
    if not path.exists() and not archive.journal.exists() and not (archive.root / "chats").exists():
        raise StorageError(archive.root, "there is no archive")
    try:
        about = document.load(path)
    except FileNotFoundError:
        report.add(Weight.DAMAGE, "archive.json", "it is missing")
        return
    except DamagedDocumentError as error:
        _refuse_newer(archive, path)
        report.add(Weight.DAMAGE, "archive.json", error.args[1])
        return
    if about.get("format") != FORMAT:
        raise NewerFormatError(archive.root, about.get("format"), FORMAT)


def _refuse_newer(archive: Archive, path: Path) -> None:
    """A later format may have another form of archive.json."""
    try:
        found: Any = json.loads(path.read_bytes())["format"]
    except (ValueError, KeyError, TypeError):
        return
    if isinstance(found, int) and found > FORMAT:
        raise NewerFormatError(archive.root, found, FORMAT)


def _check_journal(archive: Archive, state: State, report: Report) -> None:
    if state.torn:
        text = f"its last record, {state.torn:,} bytes at byte {state.journal_end:,}, is not whole and does not count"
        report.add(Weight.UNFINISHED, "journal", text)
    last = last_summary(archive)
    promised = last.get("journal_bytes", 0) if last else 0
    if state.journal_end < promised:
        text = f"{state.journal_end:,} bytes of it are good; the last run ended with {promised:,}"
        report.add(Weight.DAMAGE, "journal", text)
    elif not archive.journal.exists() and _folders(archive):
        report.add(Weight.DAMAGE, "journal", "it is missing")


def _check_runs(archive: Archive, report: Report) -> None:
    for path in [*summaries(archive), *archive.runs.glob("*/request.json")]:
        try:
            document.load(path)
        except DamagedDocumentError as error:
            report.add(Weight.DAMAGE, report.where(path), error.args[1])


def _folders(archive: Archive) -> dict[int, Path]:
    """Chats that have a folder, by marked id."""
    found = {}
    for path in (archive.root / "chats").glob("*"):
        if path.name.removeprefix("-").isdecimal() and str(int(path.name)) == path.name:
            found[int(path.name)] = path
    return found


def _orphan(archive: Archive, marked_id: int) -> Report:
    """A chat of which the journal has nothing."""
    about = read_about(archive, marked_id)
    report = Report(archive.root, marked_id, str(about.get("title", "")))
    where = report.where(archive.chat(marked_id))
    lines = any(path.stat().st_size for path in archive.chat(marked_id).rglob("*.jsonl"))
    if (about["state"] == "open" and not about["covered"]) if about else not lines:
        report.add(Weight.UNFINISHED, where, "a run was killed before it committed anything of it")
    else:
        report.add(Weight.DAMAGE, where, "the journal has nothing of this chat")
    return report


def _name_strangers(archive: Archive, report: Report) -> None:
    chats = {str(marked_id) for marked_id in _folders(archive)}
    others = [path for path in archive.root.iterdir() if path.name not in _ENTRIES]
    others += [path for path in (archive.root / "chats").glob("*") if path.name not in chats]
    for path in sorted(others):
        report.add(Weight.NOTE, report.where(path), "it does not belong to the archive")
