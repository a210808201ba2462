"""A chat's record: what chat.json says of it, apart from its messages."""
from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from tgbulk.engine.frame import frame

#: Channels' and supergroups' marked ids are -(10**12 + id), basic groups' -id, users' id.
CHANNEL_MARK = 10**12

#: Chats whose message ids are the account's own: the same dialog has other ids for another account.
ACCOUNT_SPACE = frozenset({"saved", "private", "bot", "group"})


@frame
@dataclass(slots=True)
class ChatRecord:
    """One chat as the exporting account sees it."""

    marked_id: int
    #: saved, private, bot, group, supergroup, forum or channel
    type: str
    title: str
    #: user id of the account that exports it
    account: int
    #: as the user called it
    named: str | None = None
    #: active ones, without @
    usernames: list[str] = field(default_factory=list)
    #: marked id of the basic group that this supergroup continues, and the highest id in it
    migrated_from: int | None = None
    migrated_from_max_id: int | None = None
    #: marked id of the supergroup that continues this basic group
    migrated_to: int | None = None
    #: marked id of a broadcast channel's discussion group, or the other way round
    linked: int | None = None
    #: the server's count of messages, None when it gave none
    total: int | None = None
    #: first and last id that the run asks for, the last 0 where it asks up to the newest; None is everything
    asked: list[int] | None = None
    #: first and last id of each range between them that it asks for; None is all
    asked_ranges: list[list[int]] | None = None
    #: open, complete, failed, or gaps: at its end, without messages that could not be decoded
    state: str = "open"
    #: why it is not complete
    reason: str | None = None
    #: pages that the run asked for, and the parts in which it did
    pages: int = 0
    ranges: int = 0
    #: messages that the server counts, was asked for and did not give, where they are many
    short: int = 0

    def document(self) -> dict[str, Any]:
        """The record as chat.json has it: what is not known is left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        told = {k: v for k, v in values.items() if v is not None and v != [] and k not in ("pages", "ranges", "short")}
        return {"id" if k == "marked_id" else k: v for k, v in told.items()}
