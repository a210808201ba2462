"""One page: TL bytes in, its receipt and its lines out."""
from __future__ import annotations

from typing import Any

import orjson

from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.process.seen_peers import SeenPeers
from tgbulk.stages.protocol.receipt import PageBody, Receipt
from tgbulk.stages.telegram.chat import CHANNEL_MARK
from tgbulk.stages.telegram.decoder import page
from tgbulk.stages.telegram.media import find, pictures
from tgbulk.stages.telegram.medium import FoundMedia
from tgbulk.stages.telegram.peer import is_peer
from tgbulk.stages.telegram.sparse import REFERENCES
from tgbulk.stages.telegram.wire import DecodeError

#: The constructor of an answer that is the whole list.
_WHOLE = "messages.messages"
_NO_MESSAGE = "messageEmpty"
_SERVICE = "messageService"


#: Messages of a page: Telegram gives no more than 100, whatever it is asked for.
MOST_MESSAGES = 1_000
#: Ids of messages are positive 32-bit numbers.
_IDS = range(1, 1 << 31)
#: Characters of what is said of a page.
REASON = 500

_MESSAGES = frozenset({"message", _SERVICE, _NO_MESSAGE})


def transform(
    data: bytes,
    stream: int,
    first: int,
    bound: int,
    met: SeenPeers,
    with_media: bool = False,
    *,
    subject: int = 0,
    proved: bool = True,
) -> tuple[Receipt, PageBody]:
    """(receipt, body) of one getHistory answer; messages with an id below first, or from bound on, are left out.

    subject: marked id of the chat whose messages they must be, 0 for any; proved: whether an empty page is the end. The body
    has the peers that the stream has not had from this worker. A page that cannot be decoded, or holds something else than
    messages of the chat, gives a receipt with `error` and an empty body.
    """
    try:
        decoded = page(data)
    except DecodeError as error:
        return Receipt(error=str(error)[:REASON]), PageBody()
    answer = decoded.answer
    listed = answer.get("messages", [])
    if problem := _problem(listed, subject):
        return Receipt(error=problem[:REASON]), PageBody()
    messages, receipt = _ascending(listed, range(first, bound))
    if receipt.high < first and not proved:
        receipt.low = receipt.high = 0  # older ones in the place of none
    receipt.form = answer["_"]
    receipt.total = answer.get("count", -1)
    receipt.slow = repr(decoded.error)[:REASON] if decoded.error else ""
    receipt.next = _next(receipt, first, bound, proved)
    named = [*answer.get("users", []), *answer.get("chats", [])]
    found = [one for one in named if is_peer(one)]
    receipt.strange = len(named) - len(found)
    peers, receipt.peers = met.news(stream, found)
    lines = [orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE) for message in messages]
    body = PageBody(peers, b"".join(lines))
    if with_media:
        body.media = _media(messages, found, {one.marked_id for one in peers})
        receipt.media = len(body.media.media)
    return receipt, body


def _media(messages: list[dict[str, Any]], peers: list[dict[str, Any]], fresh: set[int]) -> FoundMedia:
    """The pictures of peers that are news, and what the messages hold."""
    found = FoundMedia([one for one in pictures(peers) if one.peer in fresh])
    for message in messages:
        found.extend(find(message, REFERENCES))
    return found


def _problem(listed: list[Any], subject: int) -> str:
    """Why these are not messages of the chat, "" where they are."""
    if len(listed) > MOST_MESSAGES:
        return f"the page has {len(listed):,} messages"
    for one in listed:
        if not isinstance(one, dict) or one["_"] not in _MESSAGES:
            name = one["_"] if isinstance(one, dict) else type(one).__name__
            return f"the page has something else among its messages: {name}"
        if one["id"] not in _IDS:
            return f"the page has a message with the id {one['id']}"
        if subject and "peer_id" in one and (other := _peer(one["peer_id"])) != subject:
            return f"the page has message {one['id']} of another chat, {other}"
    return ""


def _peer(peer: dict[str, Any]) -> int:
    """The marked id of a Peer, 0 for what is none."""
    match peer.get("_"):
        case "peerUser":
            return int(peer["user_id"])
        case "peerChat":
            return -int(peer["chat_id"])
        case "peerChannel":
            return -CHANNEL_MARK - int(peer["channel_id"])
    return 0


def _next(receipt: Receipt, first: int, bound: int, proved: bool = True) -> int:
    """The whole list, or an empty page that is the end, says that nothing lies above; a page past the bound, that the range
    is done."""
    if not receipt.high and not proved:
        return first
    if bound != UNBOUNDED and (not receipt.high or receipt.form == _WHOLE):
        return bound
    return max(first, min(receipt.high + 1, bound))


def _ascending(found: list[dict[str, Any]], wanted: range) -> tuple[list[dict[str, Any]], Receipt]:
    """The messages to keep, and a receipt that counts what was there."""
    ids = [message["id"] for message in found]
    empty = [message["id"] for message in found if message["_"] == _NO_MESSAGE]
    # backwards, so that of two with one id the first stays
    by_id = {one["id"]: one for one in reversed(found) if one["_"] != _NO_MESSAGE and one["id"] in wanted}
    messages = [by_id[key] for key in sorted(by_id)]
    receipt = Receipt(
        low=min(ids, default=0),
        high=max(ids, default=0),
        messages=len(messages),
        services=[message["_"] for message in messages].count(_SERVICE),
        empty=sorted({one for one in empty if one in wanted}),
        repeated=len(found) - len(messages) - len(empty),
        date=max(((one["id"], one.get("date", 0)) for one in found), default=(0, 0))[1],
    )
    return messages, receipt
