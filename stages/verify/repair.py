"""What is damaged is moved aside, never deleted, and comes again: chats and single media."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from tgbulk.engine.error import ExitCode
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.about import name_of, read_about
from tgbulk.stages.archive.folder import Archive, move_aside
from tgbulk.stages.archive.hole import open_holes
from tgbulk.stages.archive.id_range import EVERYTHING, IdRange, subtract
from tgbulk.stages.archive.media_index import MediaIndex
from tgbulk.stages.archive.row import read_journal
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.config import MediaConfig
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.telegram.medium import MediaSelection
from tgbulk.stages.verify.compare import Export
from tgbulk.stages.verify.download import download
from tgbulk.stages.verify.report import Report, Weight

#: Holes in a chat that are filled one by one; beyond them the whole chat is asked for again.
HOLES = 50
NOTHING = MediaSelection(frozenset())


@dataclass(frozen=True, slots=True)
class Repairs:
    """What there is to repair."""

    chats: dict[int, Report] = field(default_factory=dict)
    #: media, as the index names them
    lost: list[str] = field(default_factory=list)
    #: whether something is wrong that no export brings back
    beyond: bool = False

    @classmethod
    def of(cls, archive: Archive, reports: list[Report]) -> Repairs:
        """Chats with damage or holes, and media that are not as they came. The first report is the archive's own."""
        chats = {one.marked_id: one for one in reports if one.marked_id and (one.worst is Weight.DAMAGE or one.missing)}
        own = reports[0]
        damaged = [one.file for one in own.findings if one.weight is Weight.DAMAGE]
        return cls(chats, own.lost, not all(map(archive.is_media, damaged)))

    def __bool__(self) -> bool:
        return bool(self.chats or self.lost)


class Repair:
    """Of one archive, by an export and by downloads."""

    def __init__(
        self,
        archive: Archive,
        accesses: list[Access],
        export: Export,
        connections: int,
        notify: Callable[[object], None],
    ) -> None:
        """connections: to one data centre at a time; notify: gets what is done, and what is waited for, as events."""
        self._archive = archive
        self._accesses = accesses
        self._export = export
        self._connections = connections
        self._notify = notify

    def run(self, repairs: Repairs) -> ExitCode:
        """Export the chats again, download lost media again. What keeps it from beginning is raised; the code of what ended
        the export before its time, else COMPLETE."""
        if repairs.chats:
            names = [name_of(self._archive, marked_id) for marked_id in repairs.chats]
            with self._archive.open():
                for report in repairs.chats.values():
                    self._make_room(report)
            if code := self._export(names, self._archive.root):
                return code
        if repairs.lost:
            self._download(repairs.lost)
        return ExitCode.COMPLETE

    def _make_room(self, report: Report) -> None:
        """Let the next export ask for what is missing: for a few holes alone, or for the chat from its beginning."""
        assert report.marked_id is not None
        gone = [IdRange(one, one + 1) for one in report.missing]
        if report.worst is Weight.DAMAGE or not self._open_holes(report):
            self._move_aside(self._archive.chat(report.marked_id).path)
            gone = [EVERYTHING]
        if self._archive.media_index.exists():
            with closing(MediaIndex(self._archive.media_index, NOTHING, damaged=True)) as index:
                index.keep_scanned(report.marked_id, subtract(index.scanned(report.marked_id), gone))
                index.commit()

    def _open_holes(self, report: Report) -> bool:
        assert report.marked_id is not None
        row = read_journal(self._archive).chats[report.marked_id]
        asked = read_about(self._archive, report.marked_id).wanted
        return asked == [EVERYTHING] and open_holes(self._archive, row, report.missing, HOLES)

    def _download(self, lost: list[str]) -> None:
        archive = self._archive
        with archive.open(), closing(MediaIndex(archive.media_index, NOTHING, damaged=True)) as index:
            for name in lost:
                self._move_aside(archive.media / name)
                index.take_back(name)
            index.commit()
            config = MediaConfig(archive.root, NOTHING, self._connections)
            asyncio.run(download(self._accesses, archive, index, config, self._notify))
            for name in lost:
                state, reason = index.exit_status(name)
                shown = archive.shown(archive.media / name)
                if not state:
                    self._say(f"{shown}: the next export with --transcode makes it again")
                elif state != "done":
                    self._say(f"{shown}: {reason or 'it could not be asked for'}")
                if state == "failed":
                    index.take_back(name)
            index.commit()
            self._say(f"media that came again: {index.files:,}")

    def _move_aside(self, path: Place) -> None:
        if not path.exists():
            return
        aside = move_aside(path)
        self._say(f"{'chat ' if aside.is_dir() else ''}{path.name}: moved to {aside}")

    def _say(self, text: str) -> None:
        self._notify(Notice(text))
