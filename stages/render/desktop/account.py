"""What stands before the chats in the form of a whole account; docs/spec/telegram-desktop-json.md 1.2 and 7.

An archive knows of the account what came with its messages: its own user, and who of those met is a contact.
"""
from __future__ import annotations

from collections import Counter
from typing import Any

from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.desktop.layout import array_of, object_of, quote
from tgbulk.stages.render.format import ChatDone
from tgbulk.stages.render.money import phone_number

Tl = dict[str, Any]
_ABOUT = {
    "account": "Chats of a Telegram account in the form of Telegram Desktop's export, written by tgbulk from its archive.",
    "contacts": "Contacts of the account among the people whom the archive knows. When they were added is not known to it.",
    "chats": "Chats of the archive.",
    "left_chats": "Chats of the archive that the account has left.",
}


def section_head(key: str) -> bytes:
    """From the comma before a section to the bracket of its list."""
    return b',\n "%b": {\n  "about": %b,\n  "list": [' % (key.encode(), quote(_ABOUT[key]))


def account_head(chats: list[ChatDone], clock: Clock) -> bytes:
    """From the first brace to the end of `contacts`. ChangedChatError, OSError."""
    accounts = Counter(chat.snapshot.about.account for chat in chats if chat.snapshot.about.account)
    own = accounts.most_common(1)[0][0] if accounts else 0
    user, people = _people(chats, own)
    written = b'{\n "about": ' + quote(_ABOUT["account"])
    if user is not None:
        written += b',\n "personal_information": ' + _personal(user)
    listed = [_contact(one, clock) for one in sorted(people.values(), key=_sorted_by)]
    about = quote(_ABOUT["contacts"])
    return written + b',\n "contacts": {\n  "about": %b,\n  "list": %b\n }' % (about, array_of(listed, 2))


def _people(chats: list[ChatDone], own: int | None) -> tuple[Tl | None, dict[int, Tl]]:
    """(the account's own user, its contacts by id) out of the peers of its chats; of one id the last line holds."""
    user: Tl | None = None
    contacts: dict[int, Tl] = {}
    for chat in chats:
        if chat.snapshot.about.account != own:
            continue
        for number, peer in chat.snapshot.read_peers():
            if number == own and not peer.get("min"):
                user = peer
            if peer.get("contact") and number > 0:
                contacts[number] = peer
    return user, contacts


def _personal(user: Tl) -> bytes:
    username = user.get("username")
    return object_of((
        (b"user_id", b"%d" % user["id"]),
        (b"first_name", quote(user.get("first_name", ""))),
        (b"last_name", quote(user.get("last_name", ""))),
        (b"phone_number", quote(phone_number(user.get("phone", "")))),
        (b"username", quote("@" + username) if username else b""),
    ), 1)


def _sorted_by(user: Tl) -> tuple[str, int]:
    return f"{user.get('first_name', '')} {user.get('last_name', '')}".lower(), user["id"]


def _contact(user: Tl, clock: Clock) -> bytes:
    first, last, phone = (user.get(field, "") for field in ("first_name", "last_name", "phone"))
    named = (b"first_name", quote(first)), (b"last_name", quote(last)), (b"phone_number", quote(phone_number(phone)))
    return object_of((
        *(named if first or last or phone else ()),
        (b"date", b'"%b"' % clock.iso(0)),
        (b"date_unixtime", b'"0"'),
    ), 3)
