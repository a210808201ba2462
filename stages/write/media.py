"""Media as write sees them: rows come with pages or from older lines, fetch asks for them and reports outcomes."""
from __future__ import annotations

from collections import deque

from tgbulk.stages.archive.about import asked_ids, read_about
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import EVERYTHING, IdRange, merge, subtract
from tgbulk.stages.archive.media_index import SHOWN, MediaIndex
from tgbulk.stages.archive.scan import Scan
from tgbulk.stages.archive.video import VideosStated
from tgbulk.stages.archive.video_index import VideoIndex
from tgbulk.stages.protocol.request import MediaBatch, MediaRequest, VideoBatch, VideoRequest
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.medium import FoundMedia, MediaProgress, MediaSelection, MediaStated


class Media:
    """The index, and which messages of each chat it knows."""

    def __init__(self, archive: Archive, selection: MediaSelection, videos: str | None = None) -> None:
        """Open or create the index; videos: how they are transcoded, None for not at all.

        StorageError; OSError for an original that is to go and cannot.
        """
        self._archive = archive
        self._index = MediaIndex(archive.media_index, selection)
        self._videos = VideoIndex(self._index.execute, SHOWN, archive.media, videos) if videos else None
        #: chat -> ids whose media are in the index
        self._known: dict[int, list[IdRange]] = {}
        #: chat -> ids whose lines were there before, without their media
        self._missing: dict[int, list[IdRange]] = {}
        self._changed: set[int] = set()
        self._scans: deque[Scan] = deque()
        #: whether there is anything to commit
        self.dirty = False

    def begin(self, record: ChatRecord, covered: list[IdRange]) -> None:
        """A chat was opened, of which the archive holds these ids."""
        chat = record.marked_id
        asked = asked_ids(record)
        known = self._known[chat] = self._index.scanned(chat)
        self._missing[chat] = subtract(subtract(covered, subtract([EVERYTHING], asked)), known)
        self._index.want(chat, *asked)

    def page(self, chat: int, account: int, ids: IdRange, found: FoundMedia) -> None:
        """A page of the chat with all of these ids, read by this account."""
        self._index.add(chat, account, found)
        self._know(chat, [ids])

    def told(self, chat: int, account: int, found: FoundMedia) -> None:
        """Media of messages that were told of, of a chat that need not be open."""
        if chat not in self._known:
            self._known[chat] = self._index.scanned(chat)
            self._index.want(chat, *read_about(self._archive, chat).wanted)
        self._index.add(chat, account, found)
        self.dirty = True

    def end(self, chat: int) -> None:
        """A chat's files have their last state of this run."""
        missing = self._missing.pop(chat)
        if missing:
            self._scans.append(Scan(self._archive.chat(chat), chat, missing))

    def ask(self, request: MediaRequest) -> MediaBatch:
        """Take in outcomes, hand out what waits."""
        if request.outcomes:
            self._index.settle(request.outcomes)
            self.dirty = True
        if not request.wanted:
            return MediaBatch([], request.cursor)
        items, cursor = self._index.next(request.cursor)
        if not items and self._scans:
            self._scan(self._scans[0])
            items, cursor = self._index.next(cursor)
        return MediaBatch(items, cursor, bool(items or self._scans))

    def ask_videos(self, request: VideoRequest) -> VideoBatch:
        """The same for videos, of a run that transcodes some."""
        assert self._videos is not None
        self.dirty = True
        self._videos.settle(request.outcomes)
        if not request.wanted:
            return VideoBatch([], request.cursor)
        items, cursor = self._videos.next(request.cursor)
        return VideoBatch(items, cursor, bool(items))

    def commit(self) -> None:
        """Make everything durable; then the originals of videos go that are to go."""
        for chat in self._changed:
            self._index.keep_scanned(chat, self._known[chat])
        self._changed.clear()
        self._index.commit()
        self.dirty = self._videos is not None and self._videos.remove_originals()

    def progress(self) -> MediaProgress:
        progress = self._index.progress()
        progress.videos = self._videos.answered if self._videos else 0
        return progress

    def videos_stated(self) -> VideosStated | None:
        """What became of videos, None of a run that does not transcode."""
        return self._videos.stated() if self._videos else None

    def close(self) -> MediaStated:
        """Commit and close; what became of everything."""
        self.commit()
        stated = self._index.stated()
        if self.dirty:
            self._index.commit()
        self.abandon()
        return stated

    def abandon(self) -> None:
        """Close, as it was committed last."""
        for scan in self._scans:
            scan.close()
        self._scans.clear()
        self._index.close()

    def _scan(self, scan: Scan) -> None:
        found, over = scan.step()
        self._index.add(scan.chat, 0, found)
        self.dirty = True
        if over:
            self._know(scan.chat, scan.wanted)
            self._scans.popleft().close()

    def _know(self, chat: int, ranges: list[IdRange]) -> None:
        self._known[chat] = merge([*self._known[chat], *ranges])
        self._changed.add(chat)
        self.dirty = True
