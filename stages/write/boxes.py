"""What changed at Telegram as write sees it: states of accounts, chats that nobody has opened, and what was told of them."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import Any

from tgbulk.engine.folder import LinkError
from tgbulk.stages.archive.about import ChatAbout, lost_records, read_about
from tgbulk.stages.archive.account import AccountState, Unlooked, is_common, without
from tgbulk.stages.archive.changes import CLEARED, UPDATE, WALK, ChangeCounts, Sighting
from tgbulk.stages.archive.chat import ChatFile
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange, contains
from tgbulk.stages.archive.lines import find_lines, line_id
from tgbulk.stages.archive.row import ENDED, MAYBE_BEHIND, ChatRow
from tgbulk.stages.archive.segments import DamagedChatError, committed_pieces
from tgbulk.stages.protocol.difference import (
    Box,
    BoxRequest,
    DifferenceBody,
    DifferenceReceipt,
    StateReply,
    StateRequest,
)
from tgbulk.stages.protocol.receipt import PageBody
from tgbulk.stages.telegram.difference import Told
from tgbulk.stages.telegram.medium import FoundMedia
from tgbulk.stages.telegram.peer import PeerLine, named_peers

#: Boxes of one reply.
BOXES = 1_000
#: Chats that stay open for what is told of them next; each takes three descriptors.
OPEN_CHATS = 32

#: Takes in the media of a chat: its marked id, the account, what was found.
TakeMedia = Callable[[int, int, FoundMedia], None]


class Boxes:
    """Applies what is told to chats of the archive, opened or not. Everything waits for the caller's commit."""

    def __init__(
        self,
        archive: Archive,
        rows: dict[int, ChatRow],
        accounts: dict[int, AccountState],
        commit: Callable[[], None],
        take_media: TakeMedia | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """rows: every chat's, kept up to date by the caller."""
        self._archive = archive
        self._rows = rows
        self._accounts = accounts
        self._commit = commit
        self._take_media = take_media
        self._now = now
        #: chats that the run itself has open
        self.walked: dict[int, ChatFile] = {}
        #: the others, the one that was told of last at the end
        self._files: dict[int, ChatFile] = {}
        self._abouts: dict[int, ChatAbout] = {}
        #: chats and accounts whose rows are to be committed, without a file that is
        self._touched: set[int] = set()
        self._states: set[int] = set()
        #: what the run asks for of the chats that it has open
        self._asked: dict[int, list[IdRange]] = {}
        self._recovered: set[int] = set()
        #: by account and id, what was told of its private chats and groups while one of them was walked: a page of it may
        #: have been on its way, and be older
        self._meanwhile: dict[int, dict[int, tuple[Told, Sighting]]] = {}
        #: of each chat since the last commit
        self.counts: dict[int, ChangeCounts] = {}

    def release(self, marked_id: int) -> None:
        """The run is about to open the chat itself."""
        if marked_id in self._files:
            self._commit()
            self._close(marked_id)

    def begin(self, file: ChatFile, asked: list[IdRange], before: int) -> None:
        """The run has opened it; from now on its changes are told, if the account's state is known. before: the account that
        read it last."""
        row = file.row
        self.walked[row.marked_id], self._asked[row.marked_id] = file, asked
        state = self._accounts.get(row.account)
        if state is not None and row.account != before and row.pts:  # nobody names to it what changed before its state
            state.dirty.setdefault(row.marked_id, 0)
            self._states.add(row.account)
        if state is not None and is_common(row.marked_id) and not row.looked:
            self._lose(row, 0, state.looked)

    def end(self, marked_id: int) -> None:
        """The run has closed it."""
        account = self.walked.pop(marked_id).row.account
        del self._asked[marked_id]
        if not self._is_walked(account):
            self._meanwhile.pop(account, None)

    def state(self, request: StateRequest) -> StateReply:
        """Set the account's state, or only tell it, and the boxes that it reads."""
        account, now = request.account, int(self._now())
        known = self._accounts.get(account)
        if account not in self._recovered:
            self._recovered.add(account)
            self._recover(account)
        if request.state is not None:
            dirty = dict(known.dirty) if known else {}
            if request.lost:
                dirty |= {row.marked_id: 0 for row in self._of(account) if not is_common(row.marked_id)}
            for row in self._of(account):
                if is_common(row.marked_id) and (request.lost or not row.looked):
                    since = max(row.looked, known.looked) if known and row.looked else row.looked
                    self._lose(row, since, now)
            state = replace(request.state, account=account, looked=now, dirty=dirty | request.state.dirty)
            self._accounts[account] = known = state
            self._states.add(account)
        above = request.above
        boxes = [self._box(row) for row in self._of(account) if above is None or row.marked_id > above]
        return StateReply(known, boxes[:BOXES], len(boxes) > BOXES)

    def box(self, request: BoxRequest) -> StateReply:
        """Set the pts of a channel's box."""
        row = self._rows.get(request.marked_id)
        if row is None:
            return StateReply(self._accounts.get(request.account), [])
        now = int(self._now())
        if request.lost or not row.pts:
            self._lose(row, row.looked, now)
        elif row.pts == request.pts:
            row.looked = now
        row.pts = request.pts
        self._touch(row)
        return StateReply(self._accounts.get(request.account), [self._box(row)])

    def difference(
        self, receipt: DifferenceReceipt, body: DifferenceBody, account: int, channel: int
    ) -> DifferenceReceipt:
        """Apply what the account was told; what became of it."""
        state, row = self._accounts.get(account), self._rows.get(channel)
        if receipt.error or (receipt.form.endswith("TooLong")):
            return receipt
        box: ChatRow | AccountState | None = row if channel else state
        if box is None:
            return replace(receipt, error="a difference of a box whose state is not known")
        now = int(self._now())
        sighting = Sighting(now, UPDATE, account, receipt.pts or (receipt.state.pts if receipt.state else 0), box.looked)
        counts, unknown, behind = ChangeCounts(), 0, set()
        peers = {one.marked_id: one for one in body.peers}
        for chat, some in groupby(body.told, key=lambda one: one.chat):
            told = list(some)
            if chat == 0:
                unknown += self._delete_common(told, sighting, counts)
                continue
            file = self._open(chat, account)
            if file is not None:
                counts.extend(self._tell(file, told, sighting, peers))
                if file.row.behind:
                    behind.add(chat)
        if channel == 0 and self._is_walked(account):
            kept = self._meanwhile.setdefault(account, {})
            for one in body.told:
                known = [line_id(one.line)] if one.line else one.deleted
                if one.line and one.chat not in self.walked:
                    kept.pop(known[0], None)
                else:
                    kept |= dict.fromkeys(known, (one, sighting))
        for chat, found in body.media.items():
            if self._take_media and (chat in self._files or chat in self.walked):
                self._take_media(chat, account, found)
        self._settle(receipt, account, row, now)
        return replace(
            receipt, state=state and state.copy(), dirty={}, new=counts.new, edited=counts.edited, deleted=counts.deleted,
            restored=counts.restored, unknown=unknown, behind=sorted(behind),
        )

    def page(self, page: PageBody, chat: int, account: int, ids: IdRange) -> ChangeCounts:
        """A page of what was covered before, with all of these ids."""
        file = self._open(chat, account)
        if file is None:
            return ChangeCounts()
        row, state = file.row, self._accounts.get(account)
        since = max(row.looked, state.looked if state and row.looked and is_common(chat) else 0)
        sighting = Sighting(int(self._now()), WALK, account, row.pts, since)
        lines = [line for line in page.lines.splitlines() if not self._is_gone(account, chat, line_id(line))]
        counts = file.look_again(ids, lines, sighting)
        self._count(chat, counts)
        file.add_peers(page.peers)
        if self._take_media and page.media:
            self._take_media(chat, account, page.media)
        return counts

    def added(self, file: ChatFile, ids: IdRange) -> None:
        """A page with all of these ids is there, which may be older than what was told since it was asked for."""
        row = file.row
        kept = self._meanwhile.get(row.account, {}) if is_common(row.marked_id) else {}
        meant = [one for one in kept if one in ids]
        for number in file.having(meant) if meant else ():
            told, sighting = kept[number]
            seen = replace(sighting, pts=told.pts or sighting.pts)
            self._count(row.marked_id, file.see([told], seen, False) if told.line else file.delete([number], seen))

    @property
    def changed(self) -> list[ChatFile]:
        """Chats that the run has not opened, and that have changed."""
        return [file for file in self._files.values() if file.dirty]

    def prepare(self) -> list[list[Any]]:
        """Make durable what is not of chats that the run has not opened; the rows that may be journaled, accounts' too."""
        rows = [file.prepare() for file in self.changed]
        rows += [self._rows[chat].pack() for chat in sorted(self._touched)]
        rows += [self._accounts[account].pack() for account in sorted(self._states)]
        return rows

    def committed(self) -> None:
        """These rows are durable."""
        for file in self.changed:
            file.committed()
        self._touched.clear()
        self._states.clear()
        self.counts = {}
        for chat in list(self._files)[:-OPEN_CHATS]:
            self._close(chat)

    def close(self) -> None:
        """After a commit."""
        for chat in list(self._files):
            self._close(chat)

    def _is_walked(self, account: int) -> bool:
        """Whether the run has a private chat or group of the account open."""
        return any(is_common(chat) and file.row.account == account for chat, file in self.walked.items())

    def _is_gone(self, account: int, chat: int, number: int) -> bool:
        """Whether it was told since a page was asked for that a message is deleted."""
        told = self._meanwhile.get(account, {}).get(number) if is_common(chat) else None
        return told is not None and not told[0].line

    def _of(self, account: int) -> list[ChatRow]:
        """Rows of the chats that the account reads, ascending by marked id; a folder that was moved away is none."""
        rows = sorted((row for row in self._rows.values() if row.account == account), key=lambda row: row.marked_id)
        return [row for row in rows if self._archive.chat(row.marked_id).exists()]

    def _box(self, row: ChatRow) -> Box:
        state = self._accounts.get(row.account)
        looked = max(row.looked, state.looked) if state and row.looked and is_common(row.marked_id) else row.looked
        return Box(row.marked_id, row.state, row.pts, looked, row.behind, list(row.unlooked))

    def _lose(self, row: ChatRow, since: int, until: int) -> None:
        """What changed meanwhile of all that is covered was not told, and will not be."""
        file = self.walked.get(row.marked_id) or self._files.get(row.marked_id)
        covered = file.covered if file else row.covered
        lost = [Unlooked(since, until, one.lo, one.hi) for one in covered if not one.empty]
        row.unlooked = _joined([*row.unlooked, *lost])
        row.looked = until
        row.behind = MAYBE_BEHIND
        self._touch(row)

    def _touch(self, row: ChatRow) -> None:
        file = self.walked.get(row.marked_id) or self._files.get(row.marked_id)
        if file is not None:
            file.dirty = True
        else:
            self._touched.add(row.marked_id)

    def _open(self, chat: int, account: int) -> ChatFile | None:
        """The chat's files, None of one that is not archived, or not by this account where the ids are its own."""
        if chat in self.walked:
            return self.walked[chat]
        row = self._rows.get(chat)
        if row is None or (is_common(chat) and row.account != account) or not self._archive.chat(chat).exists():
            return None
        file = self._files.pop(chat, None)
        if file is None:
            about = read_about(self._archive, chat)
            if lost_records(about, row):
                return None  # to open it would cut off what they told of
            try:
                file = ChatFile(self._archive, row, self._commit)
            except (DamagedChatError, LinkError):
                return None
            file.dirty = chat in self._touched
            self._touched.discard(chat)
            self._abouts[chat] = about
        self._files[chat] = file
        return file

    def _close(self, chat: int) -> None:
        """After a commit; chat.json is written again where it is older."""
        file, about = self._files.pop(chat), self._abouts.pop(chat)
        file.close()
        if about.state is not None and about.counts() != file.row.counts() and file.folder.exists():
            file.restate(about)

    def _tell(self, file: ChatFile, told: list[Told], sighting: Sighting, peers: dict[int, PeerLine]) -> ChangeCounts:
        """What was told of one chat, in its order."""
        chat, counts = file.row.marked_id, ChangeCounts()
        asked = self._asked[chat] if chat in self.walked else self._abouts[chat].wanted
        known = not file.row.behind and file.row.state in ENDED and not asked[-1].bounded
        grows = known and all(gap.bounded for gap in file.row.quarantined)
        for told_messages, some in groupby(told, key=lambda one: bool(one.line)):
            if told_messages:
                messages = [one for one in some if line_id(one.line) < asked[-1].hi]
                found = file.see(messages, sighting, grows)
                if found:
                    named = {peer for one in messages for peer in named_peers(one.line)}
                    file.add_peers(peers[one] for one in sorted(named & peers.keys()))
                counts.extend(found)
                continue
            for one in some:
                seen = replace(sighting, pts=one.pts or sighting.pts)
                counts.extend(file.delete(one.deleted, seen) if one.deleted else ChangeCounts())
                if one.cleared:
                    since = min([seen.since, *(gap.since for gap in file.row.unlooked)])
                    counts.extend(file.clear(one.cleared, replace(seen, how=CLEARED, since=since)))
        self._count(chat, counts)
        return counts

    def _delete_common(self, told: list[Told], sighting: Sighting, counts: ChangeCounts) -> int:
        """Messages of chats that were not told: an id belongs to one of the account's. How many belong to none that is
        archived."""
        left = {number: one.pts or sighting.pts for one in told for number in one.deleted}
        for row in self._of(sighting.account):
            if not left:
                break
            if not is_common(row.marked_id):
                continue
            ids = self._having(row, sorted(left))
            file = self._open(row.marked_id, sighting.account) if ids else None
            if file is None:
                continue
            for pts, some in groupby(sorted(ids, key=lambda one: (left[one], one)), key=left.__getitem__):
                found = file.delete(list(some), replace(sighting, pts=pts))
                self._count(row.marked_id, found)
                counts.extend(found)
            for one in ids:
                del left[one]
        return len(left)

    def _having(self, row: ChatRow, ids: list[int]) -> set[int]:
        """Which of these ids are messages of the chat."""
        file = self.walked.get(row.marked_id) or self._files.get(row.marked_id)
        if file is None and row.late:
            file = self._open(row.marked_id, row.account)
        if file is not None:
            return file.having(ids)
        ids = [one for one in ids if contains(row.covered, one)]
        return set(find_lines(committed_pieces(self._archive.chat(row.marked_id), row), ids))

    def _settle(self, receipt: DifferenceReceipt, account: int, row: ChatRow | None, now: int) -> None:
        """What the box was told up to; row: of a channel."""
        state = self._accounts.get(account)
        if row is not None:
            row.pts = max(row.pts, receipt.pts)
            if receipt.final:
                row.looked = now
                if state and state.dirty.get(row.marked_id, row.pts + 1) <= row.pts:
                    del state.dirty[row.marked_id]
                    self._states.add(account)
            self._touch(row)
            return
        assert state is not None
        assert receipt.state is not None
        told = receipt.state
        for chat, pts in receipt.dirty.items():
            changed = self._rows.get(chat)
            if changed is None or changed.account != account:
                continue
            if pts and pts == changed.pts:
                changed.looked = now
                self._touch(changed)
            elif not 0 < pts <= changed.pts:
                state.dirty[chat] = max(pts, state.dirty.get(chat, 0))
        # What stays as it was is -1; nothing but a state that is set goes back.
        state.pts, state.qts = max(state.pts, told.pts), max(state.qts, told.qts)
        state.date, state.seq = told.date, told.seq
        if receipt.final:
            state.looked = now
        self._states.add(account)

    def _recover(self, account: int) -> None:
        """Cut off what a crash left behind the committed bytes of chats that were told of changes; write their chat.json."""
        for row in self._of(account):
            if row.looked and (self._has_tail(row) or read_about(self._archive, row.marked_id).counts() != row.counts()):
                self._open(row.marked_id, account)

    def _has_tail(self, row: ChatRow) -> bool:
        folder = self._archive.chat(row.marked_id)
        wanted = {folder.messages: row.joined_size, folder.peers: row.peer_bytes, folder.changes: row.change_bytes}
        return any(place.exists() and place.stat().st_size > size for place, size in wanted.items())

    def _count(self, chat: int, counts: ChangeCounts) -> None:
        if counts:
            self.counts.setdefault(chat, ChangeCounts()).extend(counts)


def _joined(unlooked: list[Unlooked]) -> list[Unlooked]:
    """Of ids that were lost twice, since the first time."""
    result: list[Unlooked] = []
    for one in unlooked:
        earlier = [other for other in result if other.lo < one.hi and other.hi > one.lo]
        result = [other for other in result if other not in earlier]
        parts = [one]
        for other in earlier:
            lo, hi = max(one.lo, other.lo), min(one.hi, other.hi)
            parts = [rest for part in parts for rest in without([part], IdRange(lo, hi))]
            both = Unlooked(min(one.since, other.since), max(one.until, other.until), lo, hi)
            parts += [*without([other], one.ids), both]
        result += parts
    return sorted(result, key=lambda one: one.lo)
