"""A world of a dozen users and a handful of chats whose every message a test can name."""
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from telethon.extensions import BinaryReader
from telethon.tl import types

from tgbulk.perf.simdc.auth_key import Login
from tgbulk.perf.simdc.call import Call
from tgbulk.perf.simdc.stored import StoredHistory
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import CHANNEL_MARK, Account, Dialog, World

EPOCH = 1_700_000_000
GROUP = -20
SUPERGROUP = -CHANNEL_MARK - 30
CHANNEL = -CHANNEL_MARK - 31
CLOSED = -CHANNEL_MARK - 32
STRANGE = -CHANNEL_MARK - 33
FORUM = -CHANNEL_MARK - 34
EMPTY = 18


def date(message_id: int) -> datetime:
    """Messages come a minute apart."""
    return datetime.fromtimestamp(EPOCH + 60 * message_id, UTC)


def text(message_id: int, peer: Any, sender: int | None, **more: Any) -> types.Message:
    """A plain message."""
    from_id = None if sender is None else types.PeerUser(sender)
    more.setdefault("message", f"message {message_id}")
    return types.Message(message_id, peer, date(message_id), from_id=from_id, **more)


def tiny_world() -> World:
    """Two accounts (users 11 and 12) who share the supergroup; the closed channel is private for the first."""
    world = World(seed=7)
    for user_id in range(11, 24):
        username = "fourteen" if user_id == 14 else None
        world.users[user_id] = types.User(user_id, first_name=f"User {user_id}", username=username, lang_code="en")
    world.usernames["fourteen"] = 14
    no_photo = types.ChatPhotoEmpty()
    world.chats[GROUP] = types.Chat(20, "Group", no_photo, 3, date(1), 1)
    for marked, title, more in (
        (SUPERGROUP, "Supergroup", {"megagroup": True}),
        (CHANNEL, "Channel", {"broadcast": True, "username": "thechannel"}),
        (CLOSED, "Closed", {"megagroup": True}),
        (STRANGE, "Strange", {"megagroup": True}),
        (FORUM, "Forum", {"megagroup": True, "forum": True}),
    ):
        world.chats[marked] = types.Channel(-CHANNEL_MARK - marked, title, no_photo, date(1), **more)
    world.usernames["thechannel"] = CHANNEL
    supergroup = types.PeerChannel(30)
    world.histories[SUPERGROUP] = StoredHistory(
        [text(i, supergroup, 11 + i % 13) for i in range(1, 261) if i % 10], withheld={253}
    )
    world.histories[CHANNEL] = StoredHistory([text(i, types.PeerChannel(31), None, post=True) for i in range(1, 31)])
    world.histories[CLOSED] = StoredHistory([text(1, types.PeerChannel(32), 12)])
    world.histories[STRANGE] = StoredHistory([text(1, types.PeerChannel(33), 12)])
    world.histories[FORUM] = StoredHistory(forum_messages())
    world.topics[FORUM] = [topic(1, "General", 9), topic(2, "Second", 8), topic(3, "Third", 7)]
    world.accounts = [first_account(), Account(1, 12, "99966200002", "22222", dialogs=[Dialog(SUPERGROUP)])]
    world.invites = {"joined": SUPERGROUP, "strange": STRANGE}
    return world


def first_account() -> Account:
    """The account that has one dialog of every kind."""
    private = [text(i, types.PeerUser(15), 15 if i % 2 else 11, out=not i % 2 or None) for i in range(3, 403, 3)]
    group = [text(i, types.PeerChat(20), 16 + i % 2) for i in range(1, 40, 4)]
    dialogs = [Dialog(SUPERGROUP, pinned=True), Dialog(15), Dialog(GROUP), Dialog(CHANNEL, folder_id=1)]
    dialogs += [Dialog(CLOSED), Dialog(EMPTY), Dialog(FORUM)]
    return Account(
        0, 11, "99966200001", "22222", dialogs=dialogs, contacts={14, 20}, private={CLOSED},
        histories={15: StoredHistory(private), GROUP: StoredHistory(group), EMPTY: StoredHistory()},
    )


def topic(topic_id: int, title: str, top: int) -> types.ForumTopic:
    """A forum topic."""
    return types.ForumTopic(
        topic_id, date(topic_id), types.PeerChannel(34), title, 0x6FB9F0, top, 0, 0, 0, 0, 0, 0, types.PeerUser(12),
        types.PeerNotifySettings(),
    )


def forum_messages() -> list[Any]:
    """Ids 1 to 3 open the topics, later ones go round the topics 3, 2, 1."""
    peer, author = types.PeerChannel(34), types.PeerUser(12)
    made: list[Any] = [
        types.MessageService(i, peer, date(i), action=types.MessageActionTopicCreate(f"Topic {i}", 0), from_id=author)
        for i in (1, 2, 3)
    ]
    for i in range(4, 10):
        which = {1: 3, 2: 2, 0: 1}[i % 3]
        reply = types.MessageReplyHeader(forum_topic=True, reply_to_msg_id=which) if which > 1 else None
        made.append(text(i, peer, 12, reply_to=reply))
    return made


def call_of(world: World, index: int = 0) -> Call:
    """A call of the account with this index."""
    return Call(world, 2, Login(1, world.accounts[index]))


def view(call: Call) -> View:
    """The account's view."""
    return View.of(call.world, call.account)


def read(answer: Any) -> Any:
    """The object of a service's answer."""
    return BinaryReader(answer).tgread_object() if isinstance(answer, bytes) else answer


def input_of(call: Call, marked_id: int) -> Any:
    """The input peer that this account would use."""
    key = call.world.access_hash(call.account, marked_id)
    if marked_id > 0:
        return types.InputPeerUser(marked_id, key)
    return types.InputPeerChannel(-CHANNEL_MARK - marked_id, key) if marked_id < -CHANNEL_MARK else types.InputPeerChat(
        -marked_id
    )
