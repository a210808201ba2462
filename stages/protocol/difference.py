"""What changed at Telegram, on its way to the disk: differences, pages that are looked at again, states.

Nothing of a box may be under way when its next difference is sent: neither a page of its chats, nor another difference.
Content and the state that speaks of it are in one commit.
"""
from __future__ import annotations

from dataclasses import dataclass, field

from tgbulk.engine.frame import frame
from tgbulk.stages.archive.account import AccountState, Unlooked
from tgbulk.stages.telegram.difference import Told
from tgbulk.stages.telegram.medium import FoundMedia
from tgbulk.stages.telegram.peer import PeerLine, PeerSummary


@frame
@dataclass(slots=True)
class DifferenceReceipt:
    """To PayloadKind.DIFFERENCE: what it told, and once write has taken it in, what became of it.

    A difference that is too long, or has an `error`, changes nothing.
    """

    #: constructor of the answer, as `updates.differenceSlice`
    form: str = ""
    #: why it could not be decoded, "" where it was
    error: str = ""
    #: why the fast decoder did not do it, "" where it did
    slow: str = ""
    #: nothing more is to be asked for
    final: bool = True
    #: seconds until an open channel is to be asked again, 0 where that was not told
    timeout: int = 0
    #: of the channel's box after it; of the common box for `updates.differenceTooLong`
    pts: int = 0
    #: of the account after it; in write's answer with all that is still dirty
    state: AccountState | None = None
    #: channels that changed, as AccountState.dirty; in write's answer only in `state`
    dirty: dict[int, int] = field(default_factory=dict)
    #: Telegram has counted the common box anew: getState, then as if it had been too long
    renumbered: bool = False
    #: peers that came along
    peers: list[PeerSummary] | None = None
    #: messages that are new, edited, deleted, restored in the archive
    new: int = 0
    edited: int = 0
    deleted: int = 0
    restored: int = 0
    #: ids that were deleted in no chat that is archived
    unknown: int = 0
    #: chats that have messages above what is covered and could not be given them: they have to be walked
    behind: list[int] = field(default_factory=list)


@frame
@dataclass(slots=True)
class DifferenceBody:
    """What process finds in a difference."""

    told: list[Told] = field(default_factory=list)
    peers: list[PeerLine] = field(default_factory=list)
    #: by marked id of the chat
    media: dict[int, FoundMedia] = field(default_factory=dict)


@frame
@dataclass(slots=True)
class StateRequest:
    """Ask for an account's state, or set one that no difference told."""

    account: int
    #: of getState: replaces what is known, but for `looked`, and dirty channels stay
    state: AccountState | None = None
    #: what lies between the old state and this one can not be told any more: all chats of the common box have to be looked
    #: at again (their `unlooked` says so in the same commit), and every channel is dirty
    lost: bool = False
    #: boxes of chats whose marked ids are above this one, None for the first
    above: int | None = None


@dataclass(slots=True)
class Box:
    """An archived chat that the account reads, and up to where it was told of its changes."""

    marked_id: int
    #: open, complete, failed or gaps
    state: str
    #: of a channel's own box; 0: not known, or a chat of the common box
    pts: int
    #: Unix seconds: all that changed until then is known, but for `unlooked`; 0: never looked
    looked: int
    #: a message that is known to be there above what is covered, 0 for none
    behind: int
    unlooked: list[Unlooked]


@frame
@dataclass(slots=True)
class StateReply:
    """`more`: there are boxes above the last one."""

    state: AccountState | None
    boxes: list[Box]
    more: bool = False


@frame
@dataclass(slots=True)
class BoxRequest:
    """Set the pts of a channel's box, taken before its messages are walked; write answers with a StateReply of this box.

    What it held before counts as not looked at, unless its pts was known and it is not `lost`.
    """

    account: int
    marked_id: int
    pts: int
    #: what lies between its pts and this one can not be told any more
    lost: bool = False
