"""contacts.resolveUsername, contacts.getContacts, contacts.getContactIDs."""
from __future__ import annotations

import re

from telethon.tl import types
from telethon.tl.functions.contacts import GetContactIDsRequest, GetContactsRequest, ResolveUsernameRequest
from telethon.utils import get_peer

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.view import View

#: A letter, then letters, digits and underscores; four to 32 of them.
_USERNAME = re.compile(r"[A-Za-z]\w{3,31}", re.ASCII)


@serves(ResolveUsernameRequest)
def resolve_username(call: Call, request: ResolveUsernameRequest) -> types.contacts.ResolvedPeer:
    """Who has this username; 400 USERNAME_INVALID or USERNAME_NOT_OCCUPIED."""
    if not _USERNAME.fullmatch(request.username):
        raise RpcError(400, "USERNAME_INVALID")
    marked_id = call.world.usernames.get(request.username.lower())
    if marked_id is None:
        raise RpcError(400, "USERNAME_NOT_OCCUPIED")
    peer = View.of(call.world, call.account).peer(marked_id)
    chats, users = ([], [peer]) if marked_id > 0 else ([peer], [])
    return types.contacts.ResolvedPeer(get_peer(marked_id), chats, users)


@serves(GetContactsRequest)
def get_contacts(call: Call, request: GetContactsRequest) -> types.contacts.Contacts:
    """The whole address book."""
    view = View.of(call.world, call.account)
    users = [view.user(user_id) for user_id in sorted(call.account.contacts)]
    contacts = [types.Contact(user.id, bool(user.mutual_contact)) for user in users]
    return types.contacts.Contacts(contacts, len(contacts), users)


@serves(GetContactIDsRequest)
def get_contact_ids(call: Call, request: GetContactIDsRequest) -> list[int]:
    """The user ids of the address book; the method's vector has 32-bit integers."""
    return sorted(user_id for user_id in call.account.contacts if user_id < 2**31)
