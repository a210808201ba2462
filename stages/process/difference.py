"""One difference: TL bytes in, what it tells out."""
from __future__ import annotations

from tgbulk.stages.archive.account import AccountState
from tgbulk.stages.process.page import REASON
from tgbulk.stages.protocol.difference import DifferenceBody, DifferenceReceipt
from tgbulk.stages.telegram.decoder import difference
from tgbulk.stages.telegram.difference import take_apart
from tgbulk.stages.telegram.media import find
from tgbulk.stages.telegram.medium import FoundMedia
from tgbulk.stages.telegram.peer import is_peer, peer_line, peer_summary
from tgbulk.stages.telegram.sparse import REFERENCES


def transform_difference(data: bytes, account: int, channel: int) -> tuple[DifferenceReceipt, DifferenceBody]:
    """(receipt, body) of what the account was answered.

    channel: marked id of the one whose box it is, 0 for the common box. What cannot be decoded, or is none, gives a receipt
    with `error` and an empty body. A part of the state that an answer leaves as it was is -1.
    """
    try:
        decoded = difference(data)
        found = take_apart(decoded.answer, channel)
    except (ValueError, KeyError, TypeError) as error:
        return DifferenceReceipt(error=str(error)[:REASON] or repr(error)), DifferenceBody()
    peers = [one for one in found.peers if is_peer(one)]
    state = None
    if found.state is not None:
        pts, qts, date, seq = found.state
        state = AccountState(account, -1 if pts is None else pts, -1 if qts is None else qts, date, seq)
    receipt = DifferenceReceipt(
        found.form, slow=repr(decoded.error)[:REASON] if decoded.error else "", final=found.final, timeout=found.timeout,
        pts=found.pts, state=state, dirty=found.dirty, renumbered=found.renumbered,
        peers=[one for one in map(peer_summary, peers) if one],
    )
    body = DifferenceBody(found.told, list(map(peer_line, peers)))
    for chat, message in found.messages:
        body.media.setdefault(chat, FoundMedia()).extend(find(message, REFERENCES))
    return receipt, body
