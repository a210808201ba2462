"""The write stage's work: blocks in, lines on disk in order, commits in the journal."""
from __future__ import annotations

import os
import time

import msgpack

from engine.arena import Arena, open_parcel
from engine.channel import Channel, ChannelClosed
from engine.frame import pack, unpack
from engine.hop import Block, Gone, Have
from engine.journal import Journal
from engine.metric import Meter
from stages.event import ChatEnded, ChatProgress, ChatStated, Quarantined
from stages.medium import MediaSelection
from stages.receipt import Answer, Batch, Kind, Receipt
from stages.telegram.chat import ACCOUNT_SPACE, ChatRecord
from stages.transcode.config import TranscodeConfig
from stages.write.archive import Archive
from stages.write.chat import ChatFile, LastRows, Progress, described_messages
from stages.write.coverage import DamagedChatError
from stages.write.media import Media

#: A commit is due after so many bytes, or so many seconds after the first of them.
COMMIT_BYTES = 8 * 1024 * 1024
COMMIT_SECONDS = 1.0


class Writer:
    """Everything between a block and its commit; who is connected is the caller's business."""

    def __init__(
        self,
        archive: Archive,
        blocks: Arena,
        fetch: Channel,
        control: Channel,
        meter: Meter | None = None,
        media: MediaSelection | None = None,
        films: TranscodeConfig | None = None,
    ) -> None:
        """Recovers the archive from its journal. StorageError, OSError."""
        self._archive = archive
        self._blocks = blocks
        self._fetch = fetch
        self._control = control
        self._meter = meter or Meter(None)
        self._committing = self._meter.span("commit")
        rows = LastRows()
        self._journal = Journal(archive.journal, rows.take)
        self._committed = rows.progress()
        self._open: dict[int, ChatFile] = {}
        self._ending: dict[int, ChatRecord] = {}
        self._media = Media(archive.media, media, films) if media else None
        self._uncommitted = 0
        #: monotonic time at which a commit is due, None when nothing waits for one
        self.due: float | None = None

    def take(self, block: Block, descriptors: list[int]) -> None:
        """Write one block, then tell fetch."""
        receipt: Receipt = unpack(self._blocks.read(block.slot, block.receipt))
        if block.parcel:
            body = open_parcel(descriptors[0], block.body)
            os.close(descriptors[0])
        else:
            body = self._blocks.read(block.slot, block.body, block.receipt)
        if block.kind == Kind.OPEN:
            self._tell(self._begin(block, ChatRecord.unpack(body)))
        elif block.kind == Kind.MEDIA and self._media:
            self._tell(self._answer(block, Answer.OPENED, self._media.ask(body)))
            self._expect_commit()
        elif block.kind == Kind.FILM and self._media:
            self._tell(self._answer(block, Answer.OPENED, self._media.ask_films(body)))
            self._expect_commit()
        else:
            self._write(block, receipt, body)
            self._tell(Have(block.seq, block.slot, block.receipt))
        if self._uncommitted >= COMMIT_BYTES:
            self.commit()

    def gone(self, worker: int) -> None:
        """The last block of this worker was taken."""
        self._tell(Gone(worker))

    def commit(self) -> None:
        """Make everything durable: data first, then the journal record that speaks of it, then chat.json."""
        self.due = None
        self._uncommitted = 0
        if self._media and self._media.dirty:
            self._media.commit()
            progress = self._media.progress()
            self._control.send(progress)
            self._meter.set("media_files", progress.files)
            self._meter.set("media_bytes", progress.bytes)
        with self._committing:
            dirty = {stream: chat for stream, chat in self._open.items() if chat.dirty}
            rows = [chat.prepare() for chat in dirty.values()]
            if rows:
                self._journal.append(rows)
            for stream, chat in dirty.items():
                chat.committed()
                self._committed[chat.progress.marked_id] = chat.progress
                self._control.send(ChatProgress(stream, chat.progress.messages))
            for stream in list(self._ending):
                self._end(stream, self._ending.pop(stream))

    def close(self) -> None:
        self.commit()
        for chat in self._open.values():
            chat.close()
        self._open.clear()
        if self._media:
            films = self._media.films_stated()
            self._control.send(self._media.close())
            if films:
                self._control.send(films)
        self._journal.close()

    def _write(self, block: Block, receipt: Receipt, body: bytes) -> None:
        if block.kind == Kind.PROBE:
            return  # asked of a chat that may not be open yet
        chat = self._open[block.stream]
        if block.kind == Kind.CLOSE:
            self._ending[block.stream] = ChatRecord.unpack(body)
            chat.end(self._ending[block.stream].state)
            if self._media:
                self._media.end(chat.progress.marked_id, chat.folder)
        elif block.kind == Kind.HISTORY and not receipt.error:
            peers, lines, *media = msgpack.unpackb(body)
            size = chat.add(block.segment, block.mark, receipt, peers, lines)
            self._uncommitted += size
            if self._media and media:
                self._media.page(chat.progress.marked_id, block.origin, block.mark, receipt.next, *media)
            if size:
                self._meter.count("messages", receipt.messages)
                self._meter.count("bytes", size)
        elif block.kind == Kind.QUARANTINE:
            about, answers = msgpack.unpackb(body)
            chat.set_aside(about, answers)
            self._control.send(Quarantined(about["chat"], about["first"], about["last"], about["reason"]))
        self._expect_commit()

    def _expect_commit(self) -> None:
        if self.due is None:
            self.due = time.monotonic() + COMMIT_SECONDS

    def _begin(self, block: Block, record: ChatRecord) -> Have:
        """Open a chat: the answer says what is covered, or refuses it."""
        progress = self._progress(record)
        if progress.account != record.account and record.type in ACCOUNT_SPACE:
            return self._answer(block, Answer.OTHER_ACCOUNT)
        if described_messages(self._archive.chat(record.marked_id)) > progress.messages:
            return self._answer(block, Answer.LOST)
        progress.account = record.account
        progress.state = record.state
        try:
            chat = ChatFile(self._archive.chat(record.marked_id), progress, self.commit)
        except DamagedChatError:
            return self._answer(block, Answer.DAMAGED)
        self._open[block.stream] = chat
        chat.describe(record)
        if self._media:
            self._media.begin(record, chat.covered)
        return self._answer(block, Answer.OPENED, Receipt(messages=progress.messages, covered=chat.covered))

    def _progress(self, record: ChatRecord) -> Progress:
        """What is committed of a chat: nothing where its folder was moved away, as DamagedChatError advises."""
        known = self._committed.get(record.marked_id)
        if known is not None and self._archive.chat(record.marked_id).is_dir():
            return known
        fresh = Progress(record.marked_id, record.account)
        if known is not None:
            self._journal.append([fresh.row()])
            self._committed[record.marked_id] = fresh
        return fresh

    def _answer(self, block: Block, answer: Answer, content: Receipt | Batch | None = None) -> Have:
        """The slot is ours until Have, so the answer can take the place of the worker's receipt."""
        receipt = pack(content or Receipt())
        self._blocks.write(block.slot, receipt)
        return Have(block.seq, block.slot, len(receipt), answer)

    def _end(self, stream: int, record: ChatRecord) -> None:
        chat = self._open.pop(stream)
        chat.describe(record)
        chat.close()
        statement = chat.state(record)
        self._control.send(ChatStated(stream, record.marked_id, statement.told().document()))
        # Where ids are missing from what is called complete, the run finds a chat too few and says so.
        if record.state in ("complete", "gaps") and not statement.missing:
            gaps = len(chat.progress.quarantined) if record.state == "gaps" else 0
            done = chat.progress
            total = -1 if record.total is None else record.total
            counts = done.messages, chat.new, done.empty_count, total, record.pages, record.ranges
            self._control.send(ChatEnded(stream, done.marked_id, *counts, gaps))

    def _tell(self, frame: Have | Gone) -> None:
        try:
            self._fetch.send(frame)
        except ChannelClosed:
            pass  # fetch died; what it asked for is kept all the same
