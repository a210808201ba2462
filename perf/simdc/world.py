"""Who exists in the simulated data centre: accounts, what each can see, histories and files."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

from tgbulk.perf.simdc.annex import Annexes
from tgbulk.perf.simdc.history import ClearedHistory, History

#: Channels' marked ids are -(10**12 + id), basic groups' -id, users' id (Telethon's convention).
CHANNEL_MARK = 10**12


@dataclass(slots=True)
class Dialog:
    """One entry of an account's dialog list."""

    marked_id: int
    pinned: bool = False
    #: 0 main list, 1 archive
    folder_id: int = 0


@dataclass(slots=True)
class Folder:
    """One of an account's own folders; its peers are marked ids."""

    title: str
    #: flags of a dialogFilter that are set: contacts, non_contacts, groups, broadcasts, bots, exclude_muted, ...
    flags: frozenset[str] = frozenset()
    pinned: tuple[int, ...] = ()
    included: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()
    #: made by the link of a folder: only its named chats
    chatlist: bool = False


@dataclass(slots=True)
class Account:
    """A person who can log in."""

    index: int
    user_id: int
    phone: str
    code: str
    password: str | None = None
    dialogs: list[Dialog] = field(default_factory=list)
    #: user ids in the address book
    contacts: set[int] = field(default_factory=set)
    #: histories in this account's own id space: private chats (user id, own id for Saved Messages) and basic groups (-id)
    histories: dict[int, History] = field(default_factory=dict)
    #: marked ids answered with CHANNEL_PRIVATE although they are in the dialog list or known
    private: set[int] = field(default_factory=set)
    #: marked id of a channel -> the newest id that this account has cleared from its own history
    cleared: dict[int, int] = field(default_factory=dict)
    folders: list[Folder] = field(default_factory=list)
    #: users, chats, broadcasts: where the account's own default is silence
    silent: set[str] = field(default_factory=set)


class StoredFile(Protocol):
    """Bytes of one photo size, document or thumbnail."""

    dc_id: int
    size: int

    def read(self, offset: int, limit: int) -> bytes: ...

    def sha256(self) -> str: ...


@dataclass(slots=True)
class World:
    """Everything the services answer from. Deterministic from its seed."""

    seed: int
    accounts: list[Account] = field(default_factory=list)
    #: user id -> types.User as an outsider would see it, access_hash 0
    users: dict[int, Any] = field(default_factory=dict)
    #: marked id -> types.Chat | Channel | ChatForbidden | ChannelForbidden, access_hash 0
    chats: dict[int, Any] = field(default_factory=dict)
    #: channels and supergroups, one history for every account, by marked id
    histories: dict[int, History] = field(default_factory=dict)
    #: lower-case username -> marked id; every active username of every peer
    usernames: dict[str, int] = field(default_factory=dict)
    #: supergroup's marked id -> (basic group's marked id, its max id)
    migrations: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: broadcast channel <-> its discussion group, both directions, by marked id
    linked: dict[int, int] = field(default_factory=dict)
    #: marked id -> what belongs to it beside its messages
    annexes: dict[int, Annexes] = field(default_factory=dict)
    #: forum's marked id -> its topics (types.ForumTopic)
    topics: dict[int, list[Any]] = field(default_factory=dict)
    #: invite link hash -> marked id
    invites: dict[str, int] = field(default_factory=dict)
    #: ("photo"|"document"|"peer_photo", id, size letter or "") -> bytes
    files: dict[tuple[str, int, str], StoredFile] = field(default_factory=dict)
    #: account index -> its View; View.of fills it
    views: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)
    #: peers whose access hash was changed while the server ran, and how often
    rehashed: dict[int, int] = field(default_factory=dict)
    #: basic groups that everybody was removed from, as they were
    removed: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)
    #: what changes chats while the server runs; Mutator.of makes it
    mutator: Any = field(default=None, repr=False, compare=False)
    #: how far every chat is; Boxes.of makes it
    boxes: Any = field(default=None, repr=False, compare=False)

    def history(self, account: Account, marked_id: int) -> History | None:
        """The history that this account sees under this marked id."""
        found = self.whole(account, marked_id)
        cleared = account.cleared.get(marked_id)
        return found if found is None or cleared is None else ClearedHistory(found, cleared)

    def whole(self, account: Account, marked_id: int) -> History | None:
        """The same with what the account has cleared for itself."""
        own = account.histories.get(marked_id)
        return self.histories.get(marked_id) if own is None else own

    def account_by_phone(self, phone: str) -> Account | None:
        """The account with this phone number, with or without a plus sign."""
        digits = phone.lstrip("+")
        return next((a for a in self.accounts if a.phone == digits), None)

    def access_hash(self, account: Account, marked_id: int) -> int:
        """The peer's access hash for this account: stable, different for every account, never 0."""
        changed = self.rehashed.get(marked_id, 0)
        return self._hash(f"peer{changed or ''}", account.index, marked_id)

    def media_hash(self, account: Account) -> int:
        """The access hash that this account sees on every photo and document."""
        return self._hash("media", account.index, 0)

    def _hash(self, kind: str, index: int, number: int) -> int:
        digest = hashlib.sha256(f"{self.seed}:{kind}:{index}:{number}".encode()).digest()
        return int.from_bytes(digest[:8], "little", signed=True) or 1
