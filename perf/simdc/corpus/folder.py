"""The folders that every account has made: by kind, by name, and as a shared list of chats."""
from __future__ import annotations

from tgbulk.perf.simdc.corpus.channel import BROADCAST
from tgbulk.perf.simdc.corpus.corpus import Corpus
from tgbulk.perf.simdc.corpus.private import LIVING
from tgbulk.perf.simdc.world import CHANNEL_MARK, Folder

#: Bare ids of supergroups that every account has.
FORUM, KINDS = 1_500_000_010, 1_500_000_011


def assemble(corpus: Corpus) -> None:
    """Give every account its folders; all chats are there by now."""
    channel, forum, kinds = (-CHANNEL_MARK - number for number in (BROADCAST, FORUM, KINDS))
    for account in corpus.world.accounts:
        listed = {dialog.marked_id for dialog in account.dialogs}
        if not {channel, forum, kinds, -LIVING} <= listed:
            continue
        account.folders = [
            Folder("News", frozenset({"broadcasts"})),
            Folder("Work", frozenset({"groups", "exclude_archived"}), pinned=(kinds,), excluded=(forum,)),
            Folder("Unread people", frozenset({"contacts", "non_contacts", "exclude_read", "exclude_muted"})),
            Folder("Bots 🤖", frozenset({"bots", "exclude_archived"}), included=(channel,)),
            Folder("Shared", pinned=(channel,), included=(-LIVING, forum), chatlist=True),
        ]
        account.silent = {"users"} if account.index else set()
