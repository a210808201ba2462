"""`tgbulk push`"""
from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import click

from tgbulk.cli.choosing import NotArchivedError, chosen_ids, with_choice
from tgbulk.cli.lease import with_parent
from tgbulk.cli.store import opened_store, report_failed, with_store
from tgbulk.engine.error import ExitCode, NothingError, StorageError, TgbulkError, file_error
from tgbulk.engine.text import json_line
from tgbulk.stages.archive.committed import CommittedArchive
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.statement import counted
from tgbulk.stages.fetch.choice import Choice
from tgbulk.stages.fleet.check import require_fit
from tgbulk.stages.fleet.publisher import Published, Publisher
from tgbulk.stages.fleet.store import ObjectStore, StoreAwayError


class GoneArchiveError(StorageError):
    """{0}: the archive is gone"""

    advice = "What was published of it is in the store; tgbulk pull makes an archive of it again."


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("archive")
@with_choice
@with_parent
@with_store
@click.option("--every", type=click.FloatRange(min=0.1), metavar="SECONDS",
              help="Go on, and publish what is new so often, until SIGTERM or Ctrl-C; then once more.")
@click.option("--replace", "anyway", is_flag=True,
              help="Publish also chats of which the store has something else or more; that stays until it is pruned.")
@click.option("--epoch", type=int, metavar="NUMBER",
              help="Publish only what `tgbulk pull --claim` made ours with this number.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each look at the archive.")
def push(
    archive: str, choice: Choice, url: str, every: float | None, anyway: bool, epoch: int | None, as_json: bool
) -> None:
    """Publish what is committed of ARCHIVE, or of these CHATS of it, to a store.

    An export may go on meanwhile. Nothing that is in the store is uploaded again. Exit code 0: all of it is there; 3: some
    chats could not be published; 7: the store cannot be reached; 8: it is not fit; 75: another publishes a chat.
    """
    place = Archive(Path(archive))
    store = opened_store(url, make=True)
    require_fit(store)
    service = _Service(store, place, choice, anyway, epoch, as_json)
    code = service.look() if every is None else service.go_on(every)
    if code:
        raise click.exceptions.Exit(code)


@dataclass
class _Service:
    """Looks at the archive until it is to stop."""

    store: ObjectStore
    archive: Archive
    choice: Choice
    anyway: bool
    epoch: int | None
    as_json: bool
    _publisher: Publisher | None = None
    #: looks at which there was nothing new are not told
    _quiet: bool = False
    #: device and inode of the archive's folder, once there is one
    _seen: tuple[int, int] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def go_on(self, every: float) -> ExitCode:
        """Until a signal and once more, or until another writes a chat. GoneArchiveError."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked)
        stopped, self._quiet = False, True
        while not stopped:
            stopped = self._stop.wait(every)
            code = ExitCode.COMPLETE
            try:
                if self._there():
                    code = self.look()
            except (NotArchivedError, NothingError):
                pass  # an export is about to begin these chats
            except StoreAwayError as error:
                if stopped:
                    raise
                click.echo(f"tgbulk: {error}; it is tried again in {every:g} seconds", err=True)
            if code == ExitCode.LOST:
                return code
        return code

    def look(self) -> ExitCode:
        """Publish once. TgbulkError."""
        try:
            if self._publisher is None:
                self._publisher = Publisher(self.store, CommittedArchive(self.archive), self.anyway, self.epoch)
            done = self._publisher.publish(chosen_ids(self.choice, self.archive))
        except OSError as error:
            raise file_error(error, error.filename or self.archive.root) from error
        self._say(done)
        codes = {error.exit_code for error in done.failed.values() if isinstance(error, TgbulkError)}
        if ExitCode.LOST in codes:
            return ExitCode.LOST
        return ExitCode.PARTIAL if done.failed or done.damaged else ExitCode.COMPLETE

    def _there(self) -> bool:
        """An export that is about to begin has none yet; one that was there has to stay, also against another one."""
        try:
            about = os.stat(self.archive.root)
            now = (about.st_dev, about.st_ino) if self.archive.about.exists() else None
        except FileNotFoundError:
            now = None
        if self._seen not in (None, now):
            raise GoneArchiveError(self.archive.root)
        self._seen = now
        return now is not None

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _say(self, done: Published) -> None:
        if self.as_json:
            sys.stdout.buffer.write(json_line(done.document()))
            sys.stdout.buffer.flush()
        elif done.chats or not self._quiet:
            said = f"{counted(done.chats, 'chat')} published, {done.unchanged} unchanged"
            click.echo(f"{said}: {done.objects:,} objects, {done.bytes:,} bytes", err=True)
        report_failed(done.failed)
        for path in done.damaged:
            click.echo(f"tgbulk: error: {self.archive.media / path}: it is not what the archive says of it", err=True)
