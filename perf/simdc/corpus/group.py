"""Supergroups: a busy one with every sort of hole, one that was a basic group, and the odd ones."""
from __future__ import annotations

from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.channel import BROADCAST
from tgbulk.perf.simdc.corpus.corpus import DAY, EPOCH, Corpus, peer_of
from tgbulk.perf.simdc.corpus.message import Message, MessageEmpty, MessageService, body, reply_to
from tgbulk.perf.simdc.corpus.private import MIGRATED, UPGRADED
from tgbulk.perf.simdc.corpus.text import phrase
from tgbulk.perf.simdc.stored import StoredHistory
from tgbulk.perf.simdc.world import Account

BUSY, NAMED, EMPTY, PRIVATE, FORBIDDEN, UNJOINED = (1_500_000_000 + n for n in (1, 3, 6, 7, 8, 9))
#: The busy group's ids: the last one, a purge of more than 300, and messageEmpty in a row.
BUSY_TOP, PURGED, UNAVAILABLE = 1_800, range(300, 660), range(900, 960)
#: So many messageEmpty in a row that whole pages are nothing else. Telethon stops at such a page, so they
#: are in a group of their own.
HOLLOW, HOLLOW_TOP, GONE = 1_500_000_012, 600, range(150, 420)
#: Runs and scattered messages that the server takes out of its pages, never a whole page's worth.
WITHHELD = {*range(1_300, 1_360), *range(1_400, 1_700, 7)}
INVITE = "SimInviteHash001"


def assemble(corpus: Corpus) -> None:
    """Add the groups to the world and to the accounts' dialog lists."""
    accounts = corpus.world.accounts
    first = accounts[0]
    title = "Busy 🐝 " + "very long title " * 7
    busy = corpus.channel(BUSY, title, _busy(corpus), megagroup=True, username="Sim_Busy", participants_count=9_999)
    corpus.join(busy, *accounts, pinned=True)
    upgraded = corpus.channel(UPGRADED, "Founders' group", _upgraded(corpus), megagroup=True, participants_count=5)
    corpus.join(upgraded, *accounts)
    corpus.world.migrations[upgraded] = (-MIGRATED, first.histories[-MIGRATED].top_id())
    corpus.world.invites[INVITE] = upgraded
    names = [types.Username("sim_named", active=True, editable=True), types.Username("sim_alias", active=True),
             types.Username("sim_retired")]
    named = corpus.channel(NAMED, "قناة العربية", _plain(corpus, NAMED, 90), megagroup=True, usernames=names)
    corpus.join(named, *accounts)
    corpus.join(corpus.channel(EMPTY, "Empty", StoredHistory(), megagroup=True, username="sim_empty"), *accounts)
    hollow = corpus.channel(HOLLOW, "Hollow", _hollow(corpus), megagroup=True, username="sim_hollow")
    corpus.join(hollow, *accounts)
    _closed(corpus, first)
    corpus.channel(UNJOINED, "Public, not joined", _plain(corpus, UNJOINED, 130), broadcast=True,
                   username="sim_unjoined", participants_count=2_000_000)


def _closed(corpus: Corpus, account: Account) -> None:
    """Groups that this account may no longer read: one as if still a member, one that says so itself."""
    private = corpus.channel(PRIVATE, "Private", _plain(corpus, PRIVATE, 20), megagroup=True)
    forbidden = corpus.channel(FORBIDDEN, "Forbidden")
    corpus.world.chats[forbidden] = types.ChannelForbidden(FORBIDDEN, 0, "Forbidden", megagroup=True)
    account.private |= {private, forbidden}
    corpus.join(private, account)
    corpus.join(forbidden, account)


def _plain(corpus: Corpus, number: int, count: int) -> StoredHistory:
    """A group or channel of everyday messages without a hole."""
    random = corpus.random(f"plain:{number}")
    peer = types.PeerChannel(number)
    made = _created(number, "Created", corpus.cast.people[0])
    senders = [types.PeerUser(p) for p in corpus.cast.people[:15]]
    return StoredHistory([made, *(
        Message(n, peer, EPOCH + n * 4_000, from_id=random.choice(senders), **body(corpus, random))
        for n in range(2, count + 1))])


def _created(number: int, title: str, creator: int) -> Any:
    return MessageService(1, types.PeerChannel(number), EPOCH, types.MessageActionChannelCreate(title),
                          from_id=types.PeerUser(creator))


def _upgraded(corpus: Corpus) -> StoredHistory:
    """The second half of a basic group's life."""
    random = corpus.random("upgraded")
    peer, founder = types.PeerChannel(UPGRADED), types.PeerUser(corpus.world.accounts[0].user_id)
    start = EPOCH + 3 * 365 * DAY
    action = types.MessageActionChannelMigrateFrom("Founders' group", MIGRATED)
    history = StoredHistory([MessageService(1, peer, start, action, from_id=founder)])
    ids = [1]
    for number in range(3, 170):
        sender = random.choice([founder, *map(types.PeerUser, corpus.cast.people[:5])])
        history.append(Message(number, peer, start + number * 600, from_id=sender, reply_to=reply_to(random, ids),
                               **body(corpus, random)))
        ids.append(number)
    return history


def _hollow(corpus: Corpus) -> StoredHistory:
    peer, sender = types.PeerChannel(HOLLOW), types.PeerUser(corpus.cast.people[0])
    made = _created(HOLLOW, "Hollow", corpus.cast.people[0])
    return StoredHistory([made, *(
        MessageEmpty(n, peer) if n in GONE else Message(n, peer, EPOCH + n * 60, f"message {n}", from_id=sender)
        for n in range(2, HOLLOW_TOP + 1))])


def _busy(corpus: Corpus) -> StoredHistory:
    random = corpus.random("busy")
    peer = types.PeerChannel(BUSY)
    history = StoredHistory([_created(BUSY, "Busy", corpus.cast.people[0])], WITHHELD)
    # Whoever holds the anonymous right speaks as the group; the linked channel speaks as itself.
    voices = [peer_of(p) for p in corpus.cast.people[:30]] + [peer, types.PeerChannel(BROADCAST), peer]
    ids = [1]
    for number in range(2, BUSY_TOP + 1):
        if number in PURGED or (random.random() < 0.1 and number not in UNAVAILABLE and number not in WITHHELD):
            continue
        history.append(_busy_message(corpus, random, number, random.choice(voices), ids))
        ids.append(number)
    return history


def _busy_message(corpus: Corpus, random: Random, number: int, voice: Any, ids: list[int]) -> Any:
    peer, date = types.PeerChannel(BUSY), EPOCH + number * 5_000
    if number in UNAVAILABLE:
        return MessageEmpty(number, peer if number % 2 else None)
    action = _service(corpus, random) if number % 40 == 0 else None
    if action is not None:
        answered = types.MessageReplyHeader(reply_to_msg_id=ids[-1])
        pinned = answered if isinstance(action, types.MessageActionPinMessage) else None
        return MessageService(number, peer, date, action, from_id=voice, reply_to=pinned)
    fields = body(corpus, random) | {"from_id": voice, "reply_to": reply_to(random, ids)}
    if voice == peer:
        fields["post_author"] = "Admin ✒"
    if number % 31 == 0:
        fields["pinned"] = True
    if number % 53 == 0:
        # Imported histories keep their old dates: not ascending by id.
        date -= 200 * DAY
        fields["fwd_from"] = types.MessageFwdHeader(date, imported=True, from_name="Import 📱")
    elif number % 29 == 0:
        origin = peer_of(random.choice(corpus.cast.people[30:]))
        fields["fwd_from"] = types.MessageFwdHeader(date - 3_600, from_id=origin)
    return Message(number, peer, date, **fields)


def _service(corpus: Corpus, random: Random) -> Any:
    someone = random.choice(corpus.cast.people[:30])
    return random.choice((
        types.MessageActionChatAddUser([someone]),
        types.MessageActionChatJoinedByLink(someone),
        types.MessageActionChatJoinedByRequest(),
        types.MessageActionChatDeleteUser(someone),
        types.MessageActionChatEditPhoto(random.choice(corpus.shelf.photos)),
        types.MessageActionChatEditTitle(phrase(random, 4)),
        types.MessageActionPinMessage(),
    ))
