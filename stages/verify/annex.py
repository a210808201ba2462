"""The annexes of one chat: annexes.json is whole, each file is what it says, each line is a record in its place."""
from __future__ import annotations

from tgbulk.engine.document import DamagedDocumentError
from tgbulk.stages.archive.annex import LISTED, AnnexAbout, AnnexRecord, LookState, load_annexes
from tgbulk.stages.archive.folder import ANNEXES, ChatFolder
from tgbulk.stages.verify.lines import Extent, read_extents
from tgbulk.stages.verify.report import Report, Weight


def check_annexes(folder: ChatFolder, report: Report, beyond: Weight) -> None:
    """`beyond` is what it means to find more than what counts."""
    try:
        found = load_annexes(folder)
    except DamagedDocumentError as error:
        report.add(Weight.DAMAGE, report.where(folder.annexes), error.args[1])
        return
    for name in ANNEXES:
        if name in found:
            _check(folder, found[name], report, beyond)
        elif folder.annex(name).exists():
            report.add(Weight.UNFINISHED, report.where(folder.annex(name)), "a run was killed before any of it counted")


def _check(folder: ChatFolder, about: AnnexAbout, report: Report, beyond: Weight) -> None:
    path = folder.annex(about.name)
    there: set[int] = set()
    lines = last = 0
    # A look goes on after a kill, whatever a run left behind what counts.
    weight = Weight.UNFINISHED if about.state == LookState.OPEN else beyond
    for number, line, _ in read_extents(path, [Extent(about.size, about.crc, "its lines")], report, weight):
        lines += 1
        try:
            record = AnnexRecord.parse(line)
        except (ValueError, KeyError, TypeError):
            report.add(Weight.DAMAGE, report.where(path), f"line {number} is no record of it")
            continue
        if record.seen_at < last:
            report.add(Weight.DAMAGE, report.where(path), f"line {number} is older than the one before it")
        last = max(last, record.seen_at)
        if record.object is not None:
            there.add(record.key)
        elif record.key in there and about.name in LISTED:
            there.discard(record.key)
        else:
            report.add(Weight.DAMAGE, report.where(path), f"line {number} says that something is gone that was not there")
    if (lines, len(there)) != (about.lines, about.items):
        text = f"{lines:,} lines of {len(there):,} items, where {about.lines:,} of {about.items:,} were committed"
        report.add(Weight.DAMAGE, report.where(path), text)
    if about.state == LookState.OPEN:
        report.add(Weight.UNFINISHED, report.where(path), "a look did not come to its end; the next one goes on")
    elif about.state != LookState.COMPLETE:
        report.add(Weight.NOTE, report.where(path), f"{about.state}: {about.reason}")

