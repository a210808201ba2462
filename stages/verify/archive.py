"""A whole archive, checked offline: its own files first, then chat after chat."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tgbulk.engine import document
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.error import LockedError, StorageError, UsageError
from tgbulk.engine.folder import LinkError
from tgbulk.engine.journal import DamagedJournalError
from tgbulk.stages.archive.about import read_about
from tgbulk.stages.archive.folder import Archive, documents
from tgbulk.stages.archive.row import OPEN, JournalState, read_journal
from tgbulk.stages.archive.summary import last_run
from tgbulk.stages.verify.chat import check_chat
from tgbulk.stages.verify.media import check_media
from tgbulk.stages.verify.report import PLANTED, Report, Weight, stranger

#: What to do about a document of a run that cannot be read.
CURE = "delete it: no chat needs it, and where it is the summary, the run before counts as the last one"


@contextmanager
def held(archive: Archive) -> Iterator[None]:
    """Keep runs away, LockedError while there is one. Where nothing can be written this only looks for a run.

    StorageError where there is no archive."""
    if not archive.exists():
        raise archive.missing()
    lock = archive.lock()
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
        state = read_journal(archive)
    except DamagedJournalError as error:
        text = f"at byte {error.args[1]}, {error.args[2]}; no chat can be checked"
        report.add(Weight.DAMAGE, report.where(archive.journal), text)
        yield report
        return
    except LinkError:
        report.add(Weight.DAMAGE, report.where(archive.journal), f"{PLANTED}; no chat can be checked")
        yield report
        return
    _check_journal(archive, state, report)
    _check_runs(archive, report)
    folders = archive.chat_folders()
    chats = sorted(state.chats.keys() | folders.keys()) if only is None else only
    if strange := set(chats) - state.chats.keys() - folders.keys():
        raise UsageError(f"the archive has no chat {min(strange)}")
    for path in archive.unknown():
        report.add(Weight.NOTE, report.where(path), stranger(path))
    if media:
        check_media(archive, report)
    yield report
    for marked_id in chats:
        row = state.chats.get(marked_id)
        try:
            yield check_chat(archive, row) if row else _check_orphan(archive, marked_id)
        except LinkError as error:
            report = Report(archive.root, marked_id, state=row.state if row else "")
            report.add(Weight.DAMAGE, report.where(error.filename), PLANTED)
            yield report


def _check_about(archive: Archive, report: Report) -> None:
    if not archive.exists():
        raise archive.missing()
    try:
        archive.prove_format()
    except FileNotFoundError:
        report.add(Weight.DAMAGE, report.where(archive.about), "it is missing")
    except DamagedDocumentError as error:
        report.add(Weight.DAMAGE, report.where(archive.about), error.args[1])
    except LinkError:
        report.add(Weight.DAMAGE, report.where(archive.about), PLANTED)


def _check_journal(archive: Archive, state: JournalState, report: Report) -> None:
    where = report.where(archive.journal)
    if state.torn:
        text = f"its last record, {state.torn:,} bytes at byte {state.end:,}, is not whole and does not count"
        report.add(Weight.UNFINISHED, where, text)
    last = last_run(archive)
    promised = last.journal_bytes if last else 0
    if state.end < promised:
        text = f"{state.end:,} bytes of it are good; the last run ended with {promised:,}"
        report.add(Weight.DAMAGE, where, text)
    elif not archive.journal.exists() and archive.chat_folders():
        report.add(Weight.DAMAGE, where, "it is missing")


def _check_runs(archive: Archive, report: Report) -> None:
    for path in documents(archive):
        try:
            document.load(path)
        except DamagedDocumentError as error:
            report.add(Weight.DAMAGE, report.where(path), f"{error.args[1]}; {CURE}")
        except LinkError:
            report.add(Weight.DAMAGE, report.where(path), f"{PLANTED}; {CURE}")


def _check_orphan(archive: Archive, marked_id: int) -> Report:
    """A chat of which the journal has nothing."""
    about = read_about(archive, marked_id)
    report = Report(archive.root, marked_id, about.title or "")
    folder = archive.chat(marked_id)
    begun = about.state == OPEN and not about.covered if about.state else not folder.has_lines()
    if begun:
        text = "a run was killed before it committed anything of it"
        report.add(Weight.UNFINISHED, report.where(folder.path), text)
    else:
        report.add(Weight.DAMAGE, report.where(folder.path), "the journal has nothing of this chat")
    return report
