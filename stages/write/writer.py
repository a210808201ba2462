"""The write stage's work: blocks in, lines on disk in order, commits in the journal."""
from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tgbulk.engine.arena import Arena, open_overflow, overflow
from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.folder import LinkError
from tgbulk.engine.frame import pack, unpack
from tgbulk.engine.group_sync import sync_together
from tgbulk.engine.hop import Ack, Block, WorkerGone
from tgbulk.engine.journal import Journal
from tgbulk.engine.metric import Meter
from tgbulk.stages.archive.about import ChatAbout, asked_ids, lost_records, read_about
from tgbulk.stages.archive.account import ACCOUNT_ROW
from tgbulk.stages.archive.chat import ChatFile
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.row import ENDED, GAPS, PLACES, ChatRow, LastRows
from tgbulk.stages.archive.segments import DamagedChatError
from tgbulk.stages.archive.source import Sources
from tgbulk.stages.protocol.annex import AnnexReply
from tgbulk.stages.protocol.difference import DifferenceBody, DifferenceReceipt, StateReply
from tgbulk.stages.protocol.event import ChatChanged, ChatEnded, ChatProgress, ChatStated, Quarantined
from tgbulk.stages.protocol.receipt import LOOKED_AGAIN, PageBody, PayloadKind, Receipt
from tgbulk.stages.protocol.request import MediaBatch, OpenReply, QuarantineRequest, Refusal, VideoBatch
from tgbulk.stages.telegram.chat import ACCOUNT_SPACE, ChatRecord
from tgbulk.stages.telegram.medium import MediaSelection
from tgbulk.stages.write.annexes import add_page
from tgbulk.stages.write.boxes import Boxes

if TYPE_CHECKING:
    from tgbulk.stages.write.media import Media

#: What takes the place of a receipt.
Reply = OpenReply | MediaBatch | VideoBatch | DifferenceReceipt | StateReply | AnnexReply
#: A commit is due after so many bytes, or so many seconds after the first of them.
COMMIT_BYTES = 32 * 1024 * 1024
COMMIT_SECONDS = 1.0
#: Bytes that are joined in one commit: of chats that end together there may be gigabytes, and other blocks wait meanwhile.
JOIN_BYTES = 16 * 1024 * 1024
#: What was told comes of many boxes at a time: it is committed after so many seconds, but not more often than that.
TOLD_SECONDS = 0.2


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
        videos: str | None = None,
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
        self._committed = rows.chats()
        self._open: dict[int, ChatFile] = {}
        self._ending: dict[int, ChatRecord] = {}
        self._media: Media | None = None
        if media:
            from tgbulk.stages.write.media import Media  # the fork server has it where it is needed

            self._media = Media(archive, media, videos)
        take_media = self._media.told if self._media else None
        self._boxes = Boxes(archive, self._committed, rows.accounts(), self.commit, take_media)
        self._raised = False
        self._uncommitted = 0
        #: monotonic time at which a commit is due, None when nothing waits for one
        self.due: float | None = None
        #: chats have ended that take more commits: there is work while nothing comes
        self.joining = False
        self._committed_at = float("-inf")

    def take(self, block: Block, descriptors: list[int]) -> None:
        """Write one block, then tell fetch."""
        receipt: Receipt | DifferenceReceipt = unpack(self._blocks.read(block.slot, block.receipt))
        if block.overflow:
            body = open_overflow(descriptors[0], block.body)
            os.close(descriptors[0])
        else:
            body = self._blocks.read(block.slot, block.body, block.receipt)
        if block.kind == PayloadKind.OPEN:
            self._reply(block, self._begin(block.stream, unpack(body)))
        elif block.kind == PayloadKind.MEDIA and self._media:
            self._reply(block, self._media.ask(unpack(body)))
            self._expect_commit()
        elif block.kind == PayloadKind.VIDEO and self._media:
            self._reply(block, self._media.ask_videos(unpack(body)))
            self._expect_commit()
        elif block.kind == PayloadKind.ANNEX:
            self._reply(block, add_page(self._open[block.stream], unpack(body)))
            self._uncommitted += len(body)
            self._expect_commit()
        elif (reply := self._take_changes(block, receipt, body)) is not None:
            self._reply(block, reply)
            self._expect_commit(max(time.monotonic() + TOLD_SECONDS, self._committed_at + COMMIT_SECONDS))
        else:
            assert isinstance(receipt, Receipt)
            self._write(block, receipt, body)
            self._notify(Ack(block.seq, block.slot, block.receipt))
        if self._uncommitted >= COMMIT_BYTES:
            self.commit()

    def gone(self, worker: int) -> None:
        """The last block of this worker was taken."""
        self._notify(WorkerGone(worker))

    def commit(self, most: float | None = None) -> None:
        """Make everything durable: data first, then the journal record that speaks of it, then chat.json.

        most: bytes to be joined, instead of JOIN_BYTES.
        """
        self.due = None
        self._uncommitted = 0
        if self._media and self._media.dirty:
            self._media.commit()
            progress = self._media.progress()
            self._control.send(progress)
            self._meter.set("media_files", progress.files)
            self._meter.set("media_bytes", progress.bytes)
        with self._committing:
            began, left = time.monotonic(), JOIN_BYTES if most is None else most
            dirty = {stream: chat for stream, chat in self._open.items() if chat.dirty}
            for chat in dirty.values():
                left -= chat.join(left)
            sync_together([one for chat in [*dirty.values(), *self._boxes.changed] for one in chat.unsynced()])
            rows = [*(chat.prepare() for chat in dirty.values()), *self._boxes.prepare()]
            if rows:
                self._raise_format(rows)
                self._journal.append(rows)
            for marked_id, counts in self._boxes.counts.items():
                told = counts.new, counts.edited, counts.deleted, counts.restored
                self._control.send(ChatChanged(marked_id, *told))
            for stream, chat in dirty.items():
                chat.committed()
                self._committed[chat.row.marked_id] = chat.row
                self._control.send(ChatProgress(stream, chat.row.messages))
            for stream in list(self._ending):
                if not self._open[stream].is_joining:
                    self._end(stream, self._ending.pop(stream))
            self._boxes.committed()
        self._committed_at = time.monotonic()
        self.joining = bool(self._ending)
        if self.joining:
            self._expect_commit(2 * self._committed_at - began)  # as long again for what comes meanwhile

    def close(self) -> None:
        self.commit(math.inf)
        for chat in self._open.values():
            chat.close()
        self._open.clear()
        self._boxes.close()
        if self._media:
            videos = self._media.videos_stated()
            self._control.send(self._media.close())
            if videos:
                self._control.send(videos)
        self._journal.close()

    def _write(self, block: Block, receipt: Receipt, body: bytes) -> None:
        if block.kind == PayloadKind.PROBE:
            return  # asked of a chat that may not be open yet
        if block.kind in LOOKED_AGAIN:
            if not receipt.error:
                ids = IdRange(block.first, receipt.next)
                self._boxes.page(unpack(body), block.subject, block.origin, ids)
                self._uncommitted += len(body)
            self._expect_commit()
            return
        chat = self._open[block.stream]
        if block.kind == PayloadKind.CLOSE:
            record: ChatRecord = unpack(body)
            self._ending[block.stream] = record
            chat.end(record)
            if record.state in ENDED and not (record.asked and record.asked[1]):
                chat.row.behind = 0
            if self._media:
                self._media.end(chat.row.marked_id)
        elif block.kind in (PayloadKind.HISTORY, PayloadKind.END) and not receipt.error:
            page: PageBody = unpack(body)
            ids = IdRange(block.first, receipt.next)
            counts = receipt.messages, receipt.services, receipt.empty or []
            size = chat.add(block.range_start, ids, page.lines, page.peers, *counts, abs(block.origin))
            self._uncommitted += size
            self._boxes.added(chat, ids)
            if self._media and page.media:
                self._media.page(chat.row.marked_id, block.origin, ids, page.media)
            if size:
                self._meter.count("messages", receipt.messages)
                self._meter.count("bytes", size)
        elif block.kind == PayloadKind.QUARANTINE:
            request: QuarantineRequest = unpack(body)
            about = request.about
            chat.set_aside(about, request.answers, request.offset, request.whole)
            if request.whole:
                self._control.send(Quarantined(about.chat, about.first, about.last, about.reason))
        self._expect_commit()

    def _take_changes(
        self, block: Block, receipt: Receipt | DifferenceReceipt, body: bytes
    ) -> DifferenceReceipt | StateReply | None:
        """The reply to what concerns boxes, None for everything else."""
        if isinstance(receipt, DifferenceReceipt):
            self._uncommitted += len(body)
            found: DifferenceBody = unpack(body) if body else DifferenceBody()
            return self._boxes.difference(receipt, found, block.origin, block.subject)
        if block.kind == PayloadKind.STATE:
            return self._boxes.state(unpack(body))
        if block.kind == PayloadKind.BOX:
            return self._boxes.box(unpack(body))
        return None

    def _raise_format(self, rows: list[list[Any]]) -> None:
        """Before the journal speaks of changes for the first time."""
        if not self._raised and any(row[0] == ACCOUNT_ROW or len(row) > PLACES for row in rows):
            self._archive.raise_format()
            self._raised = True

    def _expect_commit(self, due: float | None = None) -> None:
        """At this monotonic time, or earlier."""
        due = due or time.monotonic() + COMMIT_SECONDS
        self.due = due if self.due is None else min(self.due, due)

    def _begin(self, stream: int, record: ChatRecord) -> OpenReply:
        """Open a chat: the reply says what is covered, or refuses it."""
        if any(one.marked_id == record.marked_id for one in self._ending.values()):
            self.commit(math.inf)  # of an earlier turn of a follower, or an earlier name of a feed
        row = self._row(record)
        if row.account != record.account and record.type in ACCOUNT_SPACE:
            return OpenReply(Refusal.OTHER_ACCOUNT)
        about = read_about(self._archive, record.marked_id)
        if lost_records(about, row):
            return OpenReply(Refusal.LOST)
        self._boxes.release(record.marked_id)
        try:
            chat = ChatFile(self._archive, row, self.commit)
        except DamagedChatError:
            return OpenReply(Refusal.DAMAGED)
        except LinkError:
            return OpenReply(Refusal.LINK)
        before, row.account = row.account, record.account
        row.state = record.state
        self._open[stream] = chat
        self._committed[row.marked_id] = row
        self._boxes.begin(chat, asked_ids(record), before)
        record.total = _total(record, about, row)
        chat.sources = Sources.begin(before, record.account, chat.covered, about.sources)
        chat.describe(record)
        if self._media:
            self._media.begin(record, chat.covered)
        explained = row.empty_count + (about.statement.withheld or 0 if about.statement else 0)
        # A gap at the end is behind as well: nothing that is told of the chat fills it.
        top = chat.covered[-1].hi if chat.covered else 0
        behind = row.behind or next((gap.lo for gap in row.quarantined if gap.hi > top), 0)
        box = row.pts, row.looked, behind, list(row.unlooked)
        return OpenReply(Refusal.NONE, row.messages, chat.covered, explained, *box, about.total or 0)

    def _row(self, record: ChatRecord) -> ChatRow:
        """What is committed of a chat: nothing where its folder was moved away, as DamagedChatError advises."""
        known = self._committed.get(record.marked_id)
        if known is not None and self._archive.chat(record.marked_id).path.exists():
            return known
        fresh = ChatRow(record.marked_id, record.account)
        if known is not None:
            self._boxes.release(record.marked_id)
            self._journal.append([fresh.pack()])
        return fresh

    def _reply(self, block: Block, reply: Reply) -> None:
        """The slot is ours until the ack, so the reply can take the place of the worker's receipt; one that is too large for
        it travels as an overflow."""
        packed = pack(reply)
        if len(packed) > self._blocks.slot_size and isinstance(reply, DifferenceReceipt):
            packed = pack(replace(reply, peers=None))  # fetch asks for those that it needs
        if len(packed) > self._blocks.slot_size:
            descriptor = overflow(packed)
            try:
                self._notify(Ack(block.seq, block.slot, len(packed), True), [descriptor])
            finally:
                os.close(descriptor)
            return
        self._blocks.write(block.slot, packed)
        self._notify(Ack(block.seq, block.slot, len(packed)))

    def _end(self, stream: int, record: ChatRecord) -> None:
        chat = self._open.pop(stream)
        self._boxes.end(chat.row.marked_id)
        record.total = _total(record, read_about(self._archive, record.marked_id), chat.row)
        chat.describe(record)
        chat.close()
        statement = chat.state(record)
        self._control.send(ChatStated(stream, record.marked_id, statement.shortened().document(), record.title))
        # Where ids are missing from what is called complete, the run finds a chat too few and says so.
        if record.state in ENDED and not statement.missing:
            gaps = len(chat.row.quarantined) if record.state == GAPS else 0
            done = chat.row
            total = -1 if record.total is None else record.total
            counts = done.messages, chat.new, done.empty_count, total, record.pages, record.ranges
            self._control.send(ChatEnded(stream, done.marked_id, *counts, gaps, record.short))

    def _notify(self, frame: Ack | WorkerGone, descriptors: Sequence[int] = ()) -> None:
        try:
            self._fetch.send(frame, descriptors)
        except ChannelClosed:
            pass  # fetch died; what it asked for is kept all the same


def _total(record: ChatRecord, about: ChatAbout, row: ChatRow) -> int | None:
    """The server's count; where the run has not asked for it, the last one and what was told since."""
    if record.total is not None or about.total is None:
        return record.total
    return about.total + row.alive - about.alive
