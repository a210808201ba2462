"""What fetch gives write of an annex, and what write answers in the receipt's place."""
from __future__ import annotations

from dataclasses import dataclass, field

from tgbulk.engine.frame import frame
from tgbulk.stages.archive.annex import AnnexItem
from tgbulk.stages.telegram.peer import PeerLine


@frame
@dataclass(slots=True)
class AnnexPage:
    """A page of an open chat's annex. Without items and state it only asks where the look goes on; with a reason and
    no state it says why it does not."""

    name: str
    #: user id
    account: int = 0
    #: Unix seconds
    now: int = 0
    items: list[AnnexItem] = field(default_factory=list)
    peers: list[PeerLine] = field(default_factory=list)
    #: where the look goes on after it
    cursor: int = 0
    #: the server's count, -1 where it gives none
    total: int = -1
    #: how the look ended, a LookState; "" where it goes on
    state: str = ""
    reason: str = ""


@frame
@dataclass(slots=True)
class AnnexReply:
    """Where the look goes on."""

    cursor: int = 0
    #: the highest key of all looks that came to their end
    top: int = 0
    #: items that are there now
    items: int = 0
    #: why the annex cannot be written to, "" where it can
    refusal: str = ""
