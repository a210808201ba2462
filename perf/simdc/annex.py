"""What belongs to a chat beside its messages: members, admin log and stories, as the server keeps them."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Members of a channel that the server lists, whatever is asked.
MOST_MEMBERS = 10_000


@dataclass(slots=True)
class Annexes:
    """Of one channel or supergroup, or the stories of a user."""

    #: user id -> its ChannelParticipant
    members: dict[int, Any] = field(default_factory=dict)
    #: only administrators see who else is there
    hidden: bool = False
    #: indexes of the accounts that may see the admin log and all members
    admins: set[int] = field(default_factory=set)
    #: ChannelAdminLogEvents, ascending by id
    events: list[Any] = field(default_factory=list)
    #: StoryItems, ascending by id
    stories: list[Any] = field(default_factory=list)
    #: ids of those that are active
    active: set[int] = field(default_factory=set)
    about: str | None = None
    #: ids of custom emoji that are allowed as reactions
    emoji: list[int] = field(default_factory=list)
