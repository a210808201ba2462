"""An account's list of chats with its folders, by Telegram's rules; what `choice` chooses from."""
from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from telethon import errors, utils
from telethon.tl import functions, types

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.account import open_account
from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.choice import Entry
from tgbulk.stages.fetch.dialog import Listed, iter_dialogs
from tgbulk.stages.fetch.entry import describe
from tgbulk.stages.fetch.error import DialogListError
from tgbulk.stages.fetch.pace import open_paces
from tgbulk.stages.fetch.session import Session


@dataclass(slots=True)
class ChatList:
    """The chats of an account."""

    entries: list[Entry] = field(default_factory=list)
    #: titles of the folders, in their order; empty where they were not asked for
    folders: list[str] = field(default_factory=list)
    #: why the chats are not all
    problem: TgbulkError | None = None
    #: by marked id: what a request takes
    peers: dict[int, Any] = field(default_factory=dict)


async def list_chats(access: Access, folders: bool, notify: Callable[[str], None], wait: float = 0.0) -> ChatList:
    """Everything that an account lists. One request for each hundred chats; for folders one more, and where one of them
    leaves muted chats out, three. wait: seconds for an account that is in use. Raises what `open_account` raises."""

    async with open_caller(access, notify, wait) as caller:
        return await list_with(caller, folders)


@asynccontextmanager
async def open_caller(access: Access, notify: Callable[[str], None], wait: float = 0.0) -> AsyncIterator[Caller]:
    """A connected account that remembers, and keeps, what Telegram wants not to be asked."""

    def waiting(method: str, seconds: int) -> None:
        notify(f"Telegram asks to wait {seconds} seconds before the next {method}")

    session = Session.of(access.home, access.server, access.account)
    lock = session.lock.acquire(wait) if session.exists() else None
    with lock or nullcontext():
        async with open_account(access, lock=lock, notify=notify) as client:
            login = client.session.auth_key.key_id.to_bytes(8, "little")
            caller = Caller(client, access, waiting, notify=notify, paces=open_paces(access, login, notify))
            try:
                yield caller
            finally:
                caller.keep()


async def list_with(caller: Caller, folders: bool) -> ChatList:
    """The same with a connection that is there."""
    listing = ChatList()
    listed: list[Listed] = []
    try:
        async for one in iter_dialogs(caller):
            listed.append(one)
    except DialogListError as error:
        listing.problem = error
    listing.entries = [describe(one) for one in listed]
    listing.peers = {one.marked_id: utils.get_input_peer(one.entity, check_hash=False) for one in listed}
    if folders:
        made = await _folders(caller)
        muted = await _muted_scopes(caller) if any(one.exclude_muted for one in made) else frozenset()
        listing.folders = [one.title for one in made]
        for place, one in enumerate(listed):
            inside = [folder.title for folder in made if folder.shows(one, muted)]
            listing.entries[place] = replace(listing.entries[place], folders=inside)
    return listing


async def count_messages(caller: Caller, listing: ChatList, entries: list[Entry]) -> dict[int, int | None]:
    """By marked id, the server's count of messages; None where it cannot be read. One request a chat."""
    found: dict[int, int | None] = {}
    for entry in entries:
        found[entry.id] = None
        if entry.barrier is None:
            with suppress(errors.RPCError):
                asked = functions.messages.GetHistoryRequest(listing.peers[entry.id], 0, None, 0, 1, 0, 0, 0)
                answer = await caller.call(asked)
                found[entry.id] = getattr(answer, "count", len(answer.messages))
    return found


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder as its owner made it: Telegram's dialogFilter, or dialogFilterChatlist with named chats alone.

    A chat that is excluded by name is never in it, one that is included or pinned always; any other, where it is of a kind
    that the folder takes and is not left out as muted, read or archived (https://core.telegram.org/api/folders).
    """

    title: str
    #: contacts, non_contacts, groups, broadcasts, bots
    kinds: frozenset[str]
    included: frozenset[int]
    excluded: frozenset[int]
    exclude_muted: bool = False
    exclude_read: bool = False
    exclude_archived: bool = False

    def shows(self, listed: Listed, muted_scopes: frozenset[str]) -> bool:
        """muted_scopes: users, chats, broadcasts, where the account's own default is silence."""
        if listed.marked_id in self.excluded:
            return False
        if listed.marked_id in self.included:
            return True
        dialog = listed.dialog
        mentioned = dialog.unread_mentions_count > 0 and not dialog.folder_id
        unread = dialog.unread_count > 0 or bool(dialog.unread_mark) or dialog.unread_mentions_count > 0
        return (
            _kind(listed.entity) in self.kinds
            and not (self.exclude_archived and dialog.folder_id)
            and not (self.exclude_read and not unread)
            and not (self.exclude_muted and _is_muted(listed, muted_scopes) and not mentioned)
        )


#: Flags of a dialogFilter that take whole kinds of chats.
KINDS = ("contacts", "non_contacts", "groups", "broadcasts", "bots")


async def _folders(caller: Caller) -> list[Folder]:
    answer = await caller.call(functions.messages.GetDialogFiltersRequest())
    return [_folder(one) for one in answer.filters if not isinstance(one, types.DialogFilterDefault)]


def _folder(made: Any) -> Folder:
    title = made.title.text if isinstance(made.title, types.TextWithEntities) else made.title
    included = _ids([*made.pinned_peers, *made.include_peers])
    if isinstance(made, types.DialogFilterChatlist):
        return Folder(title, frozenset(), included, frozenset())
    return Folder(
        title,
        frozenset(kind for kind in KINDS if getattr(made, kind)),
        included,
        _ids(made.exclude_peers),
        bool(made.exclude_muted),
        bool(made.exclude_read),
        bool(made.exclude_archived),
    )


def _ids(peers: list[Any]) -> frozenset[int]:
    return frozenset(utils.get_peer_id(peer) for peer in peers if not isinstance(peer, types.InputPeerEmpty))


def _kind(entity: Any) -> str:
    if isinstance(entity, types.User):
        return "bots" if entity.bot else "contacts" if entity.contact else "non_contacts"
    return "broadcasts" if getattr(entity, "broadcast", False) else "groups"


#: Scope of the account's own defaults -> how it is asked for.
SCOPES = {"users": types.InputNotifyUsers, "chats": types.InputNotifyChats, "broadcasts": types.InputNotifyBroadcasts}


async def _muted_scopes(caller: Caller) -> frozenset[str]:
    found = set()
    for scope, made in SCOPES.items():
        if _is_silent(await caller.call(functions.account.GetNotifySettingsRequest(made()))):
            found.add(scope)
    return frozenset(found)


def _is_muted(listed: Listed, muted_scopes: frozenset[str]) -> bool:
    settings = listed.dialog.notify_settings
    if settings.mute_until is not None:
        return _is_silent(settings)
    kind = _kind(listed.entity)
    return ("broadcasts" if kind == "broadcasts" else "chats" if kind == "groups" else "users") in muted_scopes


def _is_silent(settings: Any) -> bool:
    return settings.mute_until is not None and bool(settings.mute_until.timestamp() > time.time())
