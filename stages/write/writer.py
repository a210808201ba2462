"""The write stage's work: blocks in, lines on disk in order, commits in the journal."""
from __future__ import annotations

import os
import time

import msgpack

from engine.arena import Arena, open_parcel
from engine.channel import Channel, ChannelClosed
from engine.frame import unpack
from engine.hop import Block, Gone, Have, Wrote
from engine.journal import Journal
from stages.event import ChatEnded, ChatProgress
from stages.receipt import Answer, Kind, Receipt
from stages.telegram.chat import ACCOUNT_SPACE, ChatRecord
from stages.write.archive import Archive
from stages.write.chat import ChatFile, DamagedChatError, Progress

#: A commit is due after so many bytes, or so many seconds after the first of them.
COMMIT_BYTES = 8 * 1024 * 1024
COMMIT_SECONDS = 1.0


class Writer:
    """Everything between a block and its commit; who is connected is the caller's business."""

    def __init__(self, archive: Archive, blocks: Arena, fetch: Channel, control: Channel) -> None:
        """Recovers the archive from its journal. StorageError, OSError."""
        self._archive = archive
        self._blocks = blocks
        self._fetch = fetch
        self._control = control
        self._journal = Journal(archive.journal)
        self._committed = {row[0]: Progress(*row) for rows in self._journal.records for row in rows}
        self._journal.records.clear()
        self._open: dict[int, ChatFile] = {}
        self._ending: dict[int, ChatRecord] = {}
        self._last_seq: dict[int, int] = {}
        self._uncommitted = 0
        #: monotonic time at which a commit is due, None when nothing waits for one
        self.due: float | None = None

    def take(self, block: Block, descriptors: list[int]) -> None:
        """Have, write, free one block. A page that comes a second time is only freed."""
        receipt: Receipt = unpack(self._blocks.read(block.slot, block.receipt))
        if block.parcel:
            body = open_parcel(descriptors[0], block.body)
            os.close(descriptors[0])
        else:
            body = self._blocks.read(block.slot, block.body, block.receipt)
        fresh = block.seq > self._last_seq.get(block.stream, -1)
        self._last_seq[block.stream] = max(block.seq, self._last_seq.get(block.stream, -1))
        answer = self._begin(block.stream, ChatRecord.unpack(body)) if fresh and block.kind == Kind.OPEN else 0
        # Said before writing: fetch asks for the next page meanwhile.
        self._tell(Have(block.seq, block.slot, block.receipt, answer))
        if fresh and block.kind != Kind.OPEN:
            self._write(block, receipt, body)
        self._tell(Wrote(block.seq, block.slot))
        if self._uncommitted >= COMMIT_BYTES:
            self.commit()

    def gone(self, worker: int) -> None:
        """The last block of this worker was taken."""
        self._tell(Gone(worker))

    def commit(self) -> None:
        """Make everything durable: data first, then the journal record that speaks of it, then chat.json."""
        self.due = None
        self._uncommitted = 0
        dirty = [chat for chat in self._open.values() if chat.dirty]
        for chat in dirty:
            chat.sync()
        if dirty:
            self._journal.append([chat.progress.row() for chat in dirty])
        for stream, chat in self._open.items():
            if chat.dirty:
                chat.dirty = False
                self._committed[chat.progress.marked_id] = chat.progress
                self._control.send(ChatProgress(stream, chat.progress.messages))
        for stream in list(self._ending):
            self._end(stream, self._ending.pop(stream))

    def close(self) -> None:
        self.commit()
        for chat in self._open.values():
            chat.close()
        self._open.clear()
        self._journal.close()

    def _write(self, block: Block, receipt: Receipt, body: bytes) -> None:
        chat = self._open[block.stream]
        if block.kind == Kind.CLOSE:
            record = ChatRecord.unpack(body)
            chat.progress.state = record.state
            chat.dirty = True
            self._ending[block.stream] = record
        elif not receipt.error:
            peers, lines = msgpack.unpackb(body)
            self._uncommitted += chat.add(receipt, peers, lines)
        if self.due is None:
            self.due = time.monotonic() + COMMIT_SECONDS

    def _begin(self, stream: int, record: ChatRecord) -> int:
        """Open a chat; answers the id from which to go on, or an Answer that refuses it."""
        progress = self._committed.get(record.marked_id) or Progress(record.marked_id, record.account)
        if progress.account != record.account and record.type in ACCOUNT_SPACE:
            return Answer.OTHER_ACCOUNT
        progress.account = record.account
        try:
            chat = ChatFile(self._archive.chat(record.marked_id), progress)
        except DamagedChatError:
            return Answer.DAMAGED
        self._open[stream] = chat
        chat.describe(record)
        return progress.next_id

    def _end(self, stream: int, record: ChatRecord) -> None:
        chat = self._open.pop(stream)
        chat.describe(record)
        chat.close()
        if record.state == "complete":
            done = chat.progress
            total = -1 if record.total is None else record.total
            self._control.send(ChatEnded(stream, done.marked_id, done.messages, chat.new, done.empty_count, total))

    def _tell(self, frame: Have | Wrote | Gone) -> None:
        try:
            self._fetch.send(frame)
        except ChannelClosed:
            pass  # fetch died; what it asked for is kept all the same
