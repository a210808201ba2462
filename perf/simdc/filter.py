"""Which messages a search means: the filters of layer 229, and threads."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from telethon.tl import types
from telethon.utils import get_peer_id

from tgbulk.perf.simdc.call import RpcError
from tgbulk.perf.simdc.history import History
from tgbulk.perf.simdc.window import Selection, unix

Predicate = Callable[[Any], bool]

#: Histories above this are not scanned: the answer is the error that Telegram gives to searches it finds too hard.
SCAN_LIMIT = 200_000


def select(history: History, *wanted: Predicate) -> Selection:
    """The messages that fulfil every predicate; RpcError 500 RPC_CALL_FAIL for a history too long to scan."""
    if len(history) > SCAN_LIMIT:
        raise RpcError(500, "RPC_CALL_FAIL")
    found = [message for message in map(history.object, history.ids(0, len(history))) if _fulfils(message, wanted)]
    return Selection([message.id for message in found], [unix(message.date) for message in found])


def _fulfils(message: Any, wanted: tuple[Predicate, ...]) -> bool:
    return not isinstance(message, types.MessageEmpty) and all(predicate(message) for predicate in wanted)


def filtered(kind: Any) -> Predicate:
    """The predicate of an InputMessagesFilter object; 400 FILTER_NOT_SUPPORTED for one unknown here."""
    if isinstance(kind, types.InputMessagesFilterPhoneCalls):
        return lambda message: _is_call(message, missed=bool(kind.missed))
    if type(kind) not in FILTERS:
        raise RpcError(400, "FILTER_NOT_SUPPORTED")
    return FILTERS[type(kind)]


def in_thread(top_id: int, *, forum: bool) -> Predicate:
    """Messages of the topic (in a forum) or below the thread's first message with this id."""
    return (lambda message: topic_of(message) == top_id) if forum else (lambda message: top_of(message) == top_id)


def top_of(message: Any) -> int:
    """The id that a message's thread is named after, 0 outside a thread."""
    reply = message.reply_to
    if not isinstance(reply, types.MessageReplyHeader) or reply.reply_to_peer_id is not None:
        return 0
    return int(reply.reply_to_top_id or reply.reply_to_msg_id or 0)


def topic_of(message: Any) -> int:
    """The id of a forum message's topic, 1 for General (docs/spec/history-fetching.md 3)."""
    if isinstance(_action(message), types.MessageActionTopicCreate):
        return int(message.id)
    reply = message.reply_to
    if isinstance(reply, types.MessageReplyHeader) and reply.forum_topic:
        return int(reply.reply_to_top_id or reply.reply_to_msg_id)
    return 1


def sender_of(message: Any) -> int:
    """The marked id of who wrote it: the chat itself where from_id is absent."""
    return int(get_peer_id(message.from_id or message.peer_id))


def text_has(query: str) -> Predicate:
    """Messages with this text, in either case."""
    folded = query.casefold()
    return lambda message: folded in (message.message or "").casefold()


def _action(message: Any) -> Any:
    return message.action if isinstance(message, types.MessageService) else None


def _is_call(message: Any, *, missed: bool) -> bool:
    action = _action(message)
    if not isinstance(action, types.MessageActionPhoneCall):
        return False
    return not missed or isinstance(action.reason, types.PhoneCallDiscardReasonMissed)


def _media(*kinds: type) -> Predicate:
    return lambda message: isinstance(message.media, kinds)


def _is_photo(message: Any) -> bool:
    return isinstance(message.media, types.MessageMediaPhoto) and message.media.photo is not None


def _is_link(message: Any) -> bool:
    links = (types.MessageEntityUrl, types.MessageEntityTextUrl)
    return isinstance(message.media, types.MessageMediaWebPage) or any(
        isinstance(entity, links) for entity in message.entities or ()
    )


def _document_kind(message: Any) -> str:
    """video, round, gif, voice, music, sticker, file, or nothing where there is no document."""
    document = getattr(message.media, "document", None) if isinstance(
        message.media, types.MessageMediaDocument
    ) else None
    if not isinstance(document, types.Document):
        return ""
    found = {type(attribute): attribute for attribute in document.attributes}
    if types.DocumentAttributeSticker in found or types.DocumentAttributeCustomEmoji in found:
        return "sticker"
    if types.DocumentAttributeAnimated in found:
        return "gif"
    if types.DocumentAttributeVideo in found:
        return "round" if found[types.DocumentAttributeVideo].round_message else "video"
    if types.DocumentAttributeAudio in found:
        return "voice" if found[types.DocumentAttributeAudio].voice else "music"
    return "file"


def _document(*kinds: str) -> Predicate:
    return lambda message: _document_kind(message) in kinds


FILTERS: dict[type, Predicate] = {
    types.InputMessagesFilterEmpty: lambda message: True,
    types.InputMessagesFilterPhotos: _is_photo,
    types.InputMessagesFilterVideo: _document("video"),
    types.InputMessagesFilterPhotoVideo: lambda message: _is_photo(message) or _document_kind(message) == "video",
    types.InputMessagesFilterDocument: _document("file"),
    types.InputMessagesFilterUrl: _is_link,
    types.InputMessagesFilterGif: _document("gif"),
    types.InputMessagesFilterVoice: _document("voice"),
    types.InputMessagesFilterMusic: _document("music"),
    types.InputMessagesFilterRoundVideo: _document("round"),
    types.InputMessagesFilterRoundVoice: _document("round", "voice"),
    types.InputMessagesFilterChatPhotos: lambda m: isinstance(_action(m), types.MessageActionChatEditPhoto),
    types.InputMessagesFilterMyMentions: lambda message: bool(message.mentioned),
    types.InputMessagesFilterPinned: lambda message: bool(message.pinned),
    types.InputMessagesFilterGeo: _media(types.MessageMediaGeo, types.MessageMediaVenue, types.MessageMediaGeoLive),
    types.InputMessagesFilterContacts: _media(types.MessageMediaContact),
    types.InputMessagesFilterPoll: _media(types.MessageMediaPoll),
}
