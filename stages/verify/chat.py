"""One chat: its folder against what the journal committed."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from engine import document
from engine.document import DamagedDocumentError
from engine.durable import PART
from stages.statement import EVERYTHING, make_statement
from stages.verify.finding import Report, Weight
from stages.verify.message import MessageCheck
from stages.verify.peer import check_peers
from stages.verify.quarantine import check_quarantine
from stages.write.archive import Archive
from stages.write.chat import Progress
from stages.write.coverage import Range

#: Peers named in a finding.
_SHOWN = 5
_FILES = {"chat.json", "messages.jsonl", "peers.jsonl", "segments"}


def check_chat(archive: Archive, progress: Progress) -> Report:
    """Everything about one chat that can be known without the server. OSError for what cannot be read."""
    covered = [[lo, following] for lo, following, *_ in progress.ranges]
    report = Report(archive.root, progress.marked_id, state=progress.state, covered=covered)
    folder = archive.chat(progress.marked_id)
    committed = bool(progress.ranges or progress.peer_bytes)
    if not folder.is_dir():
        text = "it is missing" if committed else "it was moved away, or never made"
        report.add(Weight.DAMAGE if committed else Weight.UNFINISHED, report.where(folder), text)
        return report
    about = _about(folder, report, committed)
    report.title = str(about.get("title", ""))
    # From the moment a run opens a chat until it ends in order, chat.json says open.
    behind = Weight.UNFINISHED if about.get("state") == "open" else Weight.DAMAGE
    known = check_peers(folder / "peers.jsonl", progress, report, behind)
    check = _check_messages(folder, progress, known, report, behind)
    if about:
        _compare(about, progress, report)
    check_quarantine(archive, progress, report, behind)
    _name_peers(check.unknown, report)
    _name_strangers(folder, progress, report)
    return report


def _about(folder: Path, report: Report, committed: bool) -> dict[str, Any]:
    path = folder / "chat.json"
    try:
        return document.load(path)
    except FileNotFoundError:
        # It is written before the first commit.
        report.add(Weight.DAMAGE if committed else Weight.UNFINISHED, report.where(path), "it is missing")
    except DamagedDocumentError as error:
        report.add(Weight.DAMAGE, report.where(path), error.args[1])
    return {}


def _check_messages(folder: Path, progress: Progress, known: set[int], report: Report, behind: Weight) -> MessageCheck:
    check = MessageCheck(report, known)
    ranges = [Range(*values) for values in progress.ranges]
    check.read(folder / "messages.jsonl", ranges[: progress.joined], behind)
    for one in ranges[progress.joined :]:
        check.read(folder / "segments" / f"{one.lo}.jsonl", [one], behind)
    report.messages = check.messages
    found, wanted = (check.messages, check.services), (progress.messages, progress.services)
    if found != wanted:
        text = f"{found[0]:,} messages, {found[1]:,} of them service, where {wanted[0]:,} and {wanted[1]:,} were committed"
        report.add(Weight.DAMAGE, report.where(folder), text)
    return check


def _compare(about: dict[str, Any], progress: Progress, report: Report) -> None:
    """chat.json is written after the journal, so it can be older and never newer; at the end of a chat they agree."""
    where = report.where(report.root / "chats" / str(progress.marked_id) / "chat.json")
    journal = {
        "id": progress.marked_id,
        "account": progress.account,
        "state": progress.state,
        "messages": progress.messages,
        "services": progress.services,
        "empty_ids": progress.empty,
        "covered": report.covered,
        "quarantined": progress.quarantined,
    }
    if about["state"] == "open":
        if about["messages"] > progress.messages:
            report.add(Weight.DAMAGE, where, "it is newer than the journal, which has lost records")
        else:
            report.add(Weight.UNFINISHED, where, "a run did not come to its end with this chat")
        return
    wrong = [name for name, value in journal.items() if about.get(name) != value]
    if wrong:
        report.add(Weight.DAMAGE, where, f"it differs from the journal in {', '.join(wrong)}")
        return
    report.statement = make_statement(
        about.get("total"), progress.messages, progress.services, progress.empty_count,
        report.covered, about.get("asked") or EVERYTHING, progress.state in ("complete", "gaps"), progress.quarantined,
    )
    if progress.state in ("complete", "gaps") and report.statement.missing:
        report.add(Weight.DAMAGE, where, "it is called complete, but ids that were asked for are not covered")
    if progress.state != "complete":
        what = "it has gaps" if progress.state == "gaps" else "it failed"
        report.add(Weight.UNFINISHED, where, f"{what}: {about.get('reason', 'no reason is known')}")


def _name_peers(unknown: set[int], report: Report) -> None:
    """Telegram need not send every peer that a message names, so by itself this is no damage."""
    if unknown:
        shown = ", ".join(map(str, sorted(unknown)[:_SHOWN])) + (" ..." if len(unknown) > _SHOWN else "")
        where = report.where(report.root / "chats" / str(report.marked_id) / "peers.jsonl")
        report.add(Weight.NOTE, where, f"{len(unknown):,} peers that messages name are not there: {shown}")


def _name_strangers(folder: Path, progress: Progress, report: Report) -> None:
    segments = {f"{values[0]}.jsonl" for values in progress.ranges[progress.joined :]}
    for path in sorted(folder.iterdir()):
        if path.name not in _FILES:
            what = "a crash left it" if path.name.endswith(PART) else "it is nothing that tgbulk makes"
            report.add(Weight.NOTE, report.where(path), what)
    for path in sorted((folder / "segments").glob("*")):
        if path.name not in segments:
            report.add(Weight.NOTE, report.where(path), "a crash left it; the next export removes it")
