"""One chat: its folder against what the journal committed."""
from __future__ import annotations

from pathlib import Path

from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.durable import PART
from tgbulk.engine.folder import LinkError
from tgbulk.stages.archive.about import ChatAbout, load_about, lost_records
from tgbulk.stages.archive.folder import Archive, ChatFolder
from tgbulk.stages.archive.quarantine import Quarantine
from tgbulk.stages.archive.row import COMPLETE, ENDED, GAPS, OPEN, ChatRow
from tgbulk.stages.archive.statement import make_statement
from tgbulk.stages.verify.annex import check_annexes
from tgbulk.stages.verify.changes import ChangeCheck, changed_ids
from tgbulk.stages.verify.lines import MessageCheck, check_peers
from tgbulk.stages.verify.report import PLANTED, Report, Weight

#: Peers named in a finding.
_SHOWN = 5


def check_chat(archive: Archive, row: ChatRow) -> Report:
    """Everything about one chat that can be known without the server. OSError for what cannot be read."""
    report = Report(archive.root, row.marked_id, state=row.state, covered=row.covered)
    folder = archive.chat(row.marked_id)
    if not folder.exists():
        text = "it is missing" if row.committed else "it was moved away, or never made"
        report.add(Weight.DAMAGE if row.committed else Weight.UNFINISHED, report.where(folder.path), text)
        return report
    about = _load_about(folder, row, report)
    report.title = (about and about.title) or ""
    # From the moment a run opens a chat until it ends in order, chat.json says open; of changes it can be told at any time.
    beyond = Weight.UNFINISHED if row.looked or (about and about.state == OPEN) else Weight.DAMAGE
    known = check_peers(folder.peers, row, report, beyond)
    check = _check_messages(folder, row, known, report, beyond)
    ChangeCheck(row, check.found, report).read(folder.changes, beyond)
    if about:
        _compare(folder, about, row, report)
    check_annexes(folder, report, beyond)
    _check_quarantine(archive, row, report, beyond)
    _name_peers(folder, check.unknown, report)
    _report_unknown(folder, row, report)
    return report


def _load_about(folder: ChatFolder, row: ChatRow, report: Report) -> ChatAbout | None:
    where = report.where(folder.about)
    try:
        return load_about(folder, row.marked_id)
    except FileNotFoundError:
        # It is written before the first commit.
        report.add(Weight.DAMAGE if row.committed else Weight.UNFINISHED, where, "it is missing")
    except DamagedDocumentError as error:
        report.add(Weight.DAMAGE, where, error.args[1])
    except LinkError:
        report.add(Weight.DAMAGE, where, PLANTED)
    return None


def _check_messages(folder: ChatFolder, row: ChatRow, known: set[int], report: Report, beyond: Weight) -> MessageCheck:
    check = MessageCheck(report, known, changed_ids(folder.changes, row))
    check.read(folder.messages, row.ranges[: row.joined], beyond)
    for one in row.ranges[row.joined :]:
        check.read(folder.segment(one.lo), [one], beyond)
    report.messages = check.messages
    found, wanted = (check.messages, check.services), (row.messages, row.services)
    if found != wanted:
        text = f"{found[0]:,} messages, {found[1]:,} of them service, where {wanted[0]:,} and {wanted[1]:,} were committed"
        report.add(Weight.DAMAGE, report.where(folder.path), text)
    return check


def _compare(folder: ChatFolder, about: ChatAbout, row: ChatRow, report: Report) -> None:
    """chat.json is written after the journal, so it can be older and never newer; at the end of a chat they agree."""
    where = report.where(folder.about)
    if about.state == OPEN:
        if lost_records(about, row):
            report.add(Weight.DAMAGE, where, "it is newer than the journal, which has lost records")
        else:
            report.add(Weight.UNFINISHED, where, "a run did not come to its end with this chat")
        return
    wrong = about.differences(row)
    if wrong and row.looked and about.older_than(row):
        report.add(Weight.UNFINISHED, where, "it is older than the journal: a run did not come to its end")
        return
    if wrong:
        report.add(Weight.DAMAGE, where, f"it differs from the journal in {', '.join(wrong)}")
        return
    report.statement = make_statement(
        about.total, row.messages, row.services, row.empty_count,
        row.covered, about.wanted, row.state in ENDED, row.quarantined, row.late - row.deleted,
    )
    if row.state in ENDED and report.statement.missing:
        report.add(Weight.DAMAGE, where, "it is called complete, but ids that were asked for are not covered")
    if row.state != COMPLETE:
        what = "it has gaps" if row.state == GAPS else "it failed"
        report.add(Weight.UNFINISHED, where, f"{what}: {about.reason or 'no reason is known'}")


def _check_quarantine(archive: Archive, row: ChatRow, report: Report, weight: Weight) -> None:
    """Both files of each gap; `weight` is what it means when they differ, since a crash can part them."""
    quarantine = Quarantine(archive.quarantine, row.marked_id)
    for gap in row.quarantined:
        about, answers = quarantine.files(gap)
        try:
            if not quarantine.is_whole(gap):
                report.add(weight, report.where(answers), "it does not have its checksum")
        except FileNotFoundError as error:
            report.add(Weight.DAMAGE, report.where(Path(error.filename)), "it is missing")
        except DamagedDocumentError as error:
            report.add(Weight.DAMAGE, report.where(about), error.args[1])


def _name_peers(folder: ChatFolder, unknown: set[int], report: Report) -> None:
    """Telegram need not send every peer that a message names, so by itself this is no damage."""
    if unknown:
        shown = ", ".join(map(str, sorted(unknown)[:_SHOWN])) + (" ..." if len(unknown) > _SHOWN else "")
        text = f"{len(unknown):,} peers that messages name are not there: {shown}"
        report.add(Weight.NOTE, report.where(folder.peers), text)


def _report_unknown(folder: ChatFolder, row: ChatRow, report: Report) -> None:
    for path in folder.unknown():
        what = "a crash left it" if path.name.endswith(PART) else "it is nothing that tgbulk makes"
        report.add(Weight.NOTE, report.where(path), what)
    segments = {folder.segment(one.lo) for one in row.ranges[row.joined :]}
    for path in sorted(folder.segments.glob("*")):
        if path not in segments:
            report.add(Weight.NOTE, report.where(path), "a crash left it; the next export removes it")
