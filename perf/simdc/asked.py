"""A log of requests that name a chat: who asked, in which session, when."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from telethon import utils
from telethon.tl import types

from tgbulk.perf.simdc.request import Request
from tgbulk.perf.simdc.world import Account


@dataclass(slots=True)
class Asked:
    """Nothing is noted until somebody asks for the log."""

    on: bool = False
    #: (time.monotonic() of its arrival, index of the account, session, method, marked id of the chat)
    rows: list[tuple[float, int, int, str, int]] = field(default_factory=list)

    def note(self, request: Request, account: Account) -> None:
        """One that names no chat is left out."""
        peer = getattr(request.query, "peer", None) or getattr(request.query, "channel", None)
        if peer is None:
            return
        chat = account.user_id if isinstance(peer, types.InputPeerSelf | types.InputUserSelf) else _marked_id(peer)
        if chat is not None:
            self.rows.append((request.received, account.index, request.session.session_id, request.method, chat))


def _marked_id(peer: Any) -> int | None:
    try:
        return int(utils.get_peer_id(peer))
    except TypeError:
        return None
