"""What could not be decoded: the answers that the journal says are kept."""
from __future__ import annotations

from zlib import crc32

from engine import document
from engine.document import DamagedDocumentError
from stages.verify.finding import Report, Weight
from stages.write.archive import Archive
from stages.write.chat import Progress


def check_quarantine(archive: Archive, progress: Progress, report: Report, weight: Weight) -> None:
    """Both files of each gap of a chat; `weight` is what it means when they differ, since a crash can part them."""
    for first, last in progress.quarantined:
        answers = archive.quarantine / f"{progress.marked_id}-{first}-{last}.tl"
        about = answers.with_suffix(".json")
        try:
            if crc32(answers.read_bytes()) != document.load(about)["answers_crc32"]:
                report.add(weight, report.where(answers), "it does not have its checksum")
        except FileNotFoundError as error:
            report.add(Weight.DAMAGE, report.where(answers.with_name(error.filename.rsplit("/", 1)[-1])), "it is missing")
        except DamagedDocumentError as error:
            report.add(Weight.DAMAGE, report.where(about), error.args[1])
