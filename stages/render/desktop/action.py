"""Service messages: the members between `date` and `text`; docs/spec/telegram-desktop-json.md 6."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tgbulk.stages.render.desktop.file import photo_members
from tgbulk.stages.render.desktop.layout import BOOL, MESSAGE, array_of, members, number, object_of, quote, some
from tgbulk.stages.render.desktop.names import Names, internal, marked, peer_string
from tgbulk.stages.render.desktop.text import Texts
from tgbulk.stages.render.money import money

#: (key, value); a value of no bytes is left out
Members = Iterator[tuple[bytes, bytes]]

PREFIX = "messageAction"
NANO = 10**9
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|[0-9]+")


def snake_case(constructor: str) -> str:
    """`messageActionChatAddUser` as `chat_add_user`: the word for an action that Telegram Desktop has none for."""
    return "_".join(_WORD.findall(constructor.removeprefix(PREFIX))).lower()


@dataclass(slots=True)
class Service:
    """One service message with what it takes to write its action."""

    action: dict[str, Any]
    #: what it answers, with its id shifted where the chat is an old half: (id, peer string or nothing)
    reply: tuple[int, bytes] | None
    date: int
    #: a local time as names of files have it
    stamp: Callable[[int], str]
    names: Names
    texts: Texts
    #: of a message in the finished file, for the JSON within strings
    level: int

    def __getitem__(self, field: str) -> Any:
        return self.action[field]

    def flag(self, field: str) -> bytes:
        """A true flag as JSON."""
        return BOOL[field in self.action]

    def truth(self, field: str) -> bytes:
        """A Bool as JSON."""
        return BOOL[self.action[field] is True]

    def amount(self, field: str) -> bytes:
        """A number that is left out where it is 0 or not there."""
        value = self.action.get(field, 0)
        return number(value) if value else b""

    def answered(self, key: bytes) -> Members:
        """What it answers, under this key."""
        if self.reply is not None:
            yield key, number(self.reply[0])
            yield b"reply_to_peer_id", self.reply[1]

    def users(self, numbers: list[int]) -> tuple[bytes, bytes]:
        return b"members", array_of([self.names.user(one) for one in numbers], MESSAGE)


def _nothing(s: Service) -> Members:
    return iter(())


def _title(s: Service) -> Members:
    yield b"title", some(s["title"])


def _create(s: Service) -> Members:
    yield b"title", some(s["title"])
    yield s.users(s["users"])


def _photo(s: Service) -> Members:
    return photo_members(s["photo"], s.stamp(s.date))


def _users(s: Service) -> Members:
    yield s.users(s["users"])


def _user(s: Service) -> Members:
    yield s.users([s["user_id"]])


def _inviter(s: Service) -> Members:
    yield b"inviter", s.names.user(s["inviter_id"])


def _community(s: Service) -> Members:
    yield b"community_id", number(s["community_id"])


def _pin(s: Service) -> Members:
    return s.answered(b"message_id")


def _score(s: Service) -> Members:
    yield from s.answered(b"game_message_id")
    yield b"score", number(s["score"])


def _payment(s: Service) -> Members:
    yield b"amount", number(s["total_amount"])
    yield b"currency", some(s["currency"])
    yield from s.answered(b"invoice_message_id")
    if "recurring_used" in s.action:
        yield b"recurring", b'"used"'
    elif "recurring_init" in s.action:
        yield b"recurring", b'"init"'


def _refund(s: Service) -> Members:
    peer = marked(s["peer"])
    yield b"amount", number(s["total_amount"])
    yield b"currency", some(s["currency"])
    yield b"peer_name", s.names.name(peer)
    yield b"peer_id", peer_string(peer)
    yield b"charge_id", some(s["charge"]["id"])


_REASONS = {
    "phoneCallDiscardReasonBusy": b'"busy"',
    "phoneCallDiscardReasonDisconnect": b'"disconnect"',
    "phoneCallDiscardReasonHangup": b'"hangup"',
    "phoneCallDiscardReasonMissed": b'"missed"',
    "phoneCallDiscardReasonMigrateConferenceCall": b'"migrate_conference_all"',
}


def _call(s: Service) -> Members:
    yield b"duration_seconds", s.amount("duration")
    yield b"discard_reason", _REASONS.get(s.action.get("reason", {}).get("_", ""), b"")


def _conference(s: Service) -> Members:
    missed = "missed" in s.action
    yield b"duration_seconds", s.amount("duration")
    yield b"is_active", BOOL["active" in s.action and not missed]
    yield b"is_missed", BOOL[missed]


def _group_call(s: Service) -> Members:
    yield b"duration", s.amount("duration")


def _scheduled(s: Service) -> Members:
    yield b"schedule_date", number(s["schedule_date"])


def _custom(s: Service) -> Members:
    yield b"information_text", some(s["message"])


def _allowed(s: Service) -> Members:
    app = s.action.get("app", {})
    if "attach_menu" in s.action:
        yield b"action", b'"attach_menu_bot_allowed"'
    elif "from_request" in s.action:
        yield b"action", b'"web_app_bot_allowed"'
    else:
        yield b"action", b'"allow_sending_messages"'
        if app.get("id"):
            yield b"reason_app_id", number(app["id"])
            yield b"reason_app_name", some(app["title"])
        else:
            yield b"reason_domain", some(s.action.get("domain", ""))


_PASSPORT = {
    "secureValueTypePersonalDetails": b'"personal_details"',
    "secureValueTypePassport": b'"passport"',
    "secureValueTypeDriverLicense": b'"driver_license"',
    "secureValueTypeIdentityCard": b'"identity_card"',
    "secureValueTypeInternalPassport": b'"internal_passport"',
    "secureValueTypeAddress": b'"address_information"',
    "secureValueTypeUtilityBill": b'"utility_bill"',
    "secureValueTypeBankStatement": b'"bank_statement"',
    "secureValueTypeRentalAgreement": b'"rental_agreement"',
    "secureValueTypePassportRegistration": b'"passport_registration"',
    "secureValueTypeTemporaryRegistration": b'"temporary_registration"',
    "secureValueTypePhone": b'"phone_number"',
    "secureValueTypeEmail": b'"email"',
}


def _passport(s: Service) -> Members:
    yield b"values", array_of([_PASSPORT.get(one["_"], b'""') for one in s["types"]], MESSAGE)


def _proximity(s: Service) -> Members:
    for key in ("from", "to"):
        peer = marked(s[key + "_id"])
        yield key.encode(), s.names.name(peer)
        yield key.encode() + b"_id", peer_string(peer)
    yield b"distance", number(s["distance"])


def _period(s: Service) -> Members:
    yield b"period", number(s["period"])


def _theme(s: Service) -> Members:
    yield b"emoticon", some(s["theme"].get("emoticon", ""))


def _wallpaper(s: Service) -> Members:
    yield b"action", b'"set_same_chat_wallpaper"' if "same" in s.action else b'"set_chat_wallpaper"'
    yield from s.answered(b"message_id")


def _premium(s: Service) -> Members:
    yield b"cost", some(money(s["amount"], s["currency"]))
    yield b"days", s.amount("days")


def _gift_code(s: Service) -> Members:
    yield b"gift_code", some(s["slug"])
    yield b"boost_peer_id", peer_string(marked(s["boost_peer"])) if "boost_peer" in s.action else b""
    yield b"days", number(s["days"])
    yield b"unclaimed", s.flag("unclaimed")
    yield b"via_giveaway", s.flag("via_giveaway")


def _giveaway_results(s: Service) -> Members:
    yield b"winners", number(s["winners_count"])
    yield b"unclaimed", number(s["unclaimed_count"])
    yield b"stars", s.flag("stars")


def _boosts(s: Service) -> Members:
    yield b"boosts", number(s["boosts"])


def _topic_edit(s: Service) -> Members:
    yield b"new_title", some(s.action.get("title", ""))
    yield b"new_icon_emoji_id", number(s["icon_emoji_id"]) if "icon_emoji_id" in s.action else b""


def _requested(s: Service) -> Members:
    peers = [number(internal(marked(one))) for one in s["peers"]]
    yield b"button_id", number(s["button_id"])
    yield b"peers", quote(array_of(peers, s.level).decode())


def _gift_stars(s: Service) -> Members:
    return _credits(s, s["stars"], 0)


def _gift_ton(s: Service) -> Members:
    return _credits(s, *divmod(s["amount"], NANO))


def _credits(s: Service, whole: int, nano: int) -> Members:
    yield b"cost", some(money(s["amount"], s["currency"]))
    if whole or nano:
        yield b"amount_whole", number(whole)
        yield b"amount_nano", number(nano)


def _prize(s: Service) -> Members:
    peer = marked(s["boost_peer"])
    yield b"boost_peer_id", peer_string(peer)
    yield b"boost_peer_name", s.names.name(peer)
    yield b"stars", number(s["stars"])
    yield b"is_unclaimed", s.flag("unclaimed")
    yield b"giveaway_msg_id", number(s["giveaway_msg_id"])
    yield b"transaction_id", some(s["transaction_id"])


def _star_gift(s: Service) -> Members:
    """Only an ordinary gift has a price, a text and a hidden sender."""
    gift = s["gift"]
    given = s["_"] == "messageActionStarGift"
    yield b"gift_id", number(gift["id"])
    yield b"stars", number(gift["stars"] if gift["_"] == "starGift" else 0)
    yield b"is_limited", BOOL[gift["_"] == "starGift" and "limited" in gift]
    yield b"is_anonymous", BOOL[given and "name_hidden" in s.action]
    yield b"gift_text", s.texts.value(s.action.get("message") if given else None, MESSAGE)


def _paid_refund(s: Service) -> Members:
    yield b"messages_count", number(s["count"])
    yield b"stars_count", number(s["stars"])


def _paid_price(s: Service) -> Members:
    yield b"price_stars", number(s["stars"])
    yield b"is_broadcast_messages_allowed", s.flag("broadcast_messages_allowed")


def _completions(s: Service) -> Members:
    for key in ("completed", "incompleted"):
        yield key.encode(), b"[" + b",".join([number(one) for one in s[key]]) + b"]"


def _tasks(s: Service) -> Members:
    items = [
        object_of(((b"text", s.texts.value(one["title"], MESSAGE + 1)), (b"id", number(one["id"]))), MESSAGE + 1)
        for one in s["list"]
    ]
    yield b"items", array_of(items, MESSAGE)


def _approval(s: Service) -> Members:
    if "rejected" in s.action:
        yield b"rejected", BOOL[True]
        yield b"comment", some(s.action.get("reject_comment", ""))
    else:
        yield from _price(s.action.get("price"))
        yield b"scheduled_date", number(s.action.get("schedule_date", 0))


def _success(s: Service) -> Members:
    return _price(s["price"])


def _price(price: dict[str, Any] | None) -> Members:
    """The three members of a price; no price is one of no Stars."""
    ton = price is not None and price["_"] == "starsTonAmount"
    whole, nano = (0, 0) if price is None else divmod(price["amount"], NANO) if ton else (price["amount"], price["nanos"])
    yield b"price_amount_whole", b'"%d"' % whole
    yield b"price_amount_nano", b'"%d"' % nano
    yield b"price_currency", b'"TON"' if ton else b'"Stars"'


def _post_refund(s: Service) -> Members:
    yield b"user_initiated", s.flag("payer_initiated")


def _option(s: Service) -> Members:
    yield b"option", some(s["answer"]["text"]["text"])


def _birthday(s: Service) -> Members:
    birthday = s["birthday"]
    yield b"day", number(birthday["day"])
    yield b"month", number(birthday["month"])
    yield b"year", number(birthday["year"]) if birthday.get("year") else b""


def _new_value(s: Service) -> Members:
    yield b"new_value", s.truth("new_value")


def _forwards_request(s: Service) -> Members:
    yield b"expired", s.flag("expired")
    yield b"new_value", s.truth("new_value")


def _creator(s: Service) -> Members:
    yield b"new_creator", s.names.user(s["new_creator_id"])


def _bot(s: Service) -> Members:
    yield b"bot", s.names.user(s["bot_id"])


#: Constructor without its prefix -> value of `action` ("": the members have it, or there is none), members behind it.
ACTIONS: dict[str, tuple[str, Callable[[Service], Members]]] = {
    "ChatCreate": ("create_group", _create),
    "ChatEditTitle": ("edit_group_title", _title),
    "ChatEditPhoto": ("edit_group_photo", _photo),
    "ChatDeletePhoto": ("delete_group_photo", _nothing),
    "ChatAddUser": ("invite_members", _users),
    "ChatDeleteUser": ("remove_members", _user),
    "ChatJoinedByLink": ("join_group_by_link", _inviter),
    "ChatJoinedByRequest": ("join_group_by_request", _nothing),
    "ChatJoinedViaCommunity": ("join_group_via_community", _community),
    "ChannelCreate": ("create_channel", _title),
    "ChatMigrateTo": ("migrate_to_supergroup", _nothing),
    "ChannelMigrateFrom": ("migrate_from_group", _title),
    "PinMessage": ("pin_message", _pin),
    "HistoryClear": ("clear_history", _nothing),
    "GameScore": ("score_in_game", _score),
    "PaymentSent": ("send_payment", _payment),
    "PaymentRefunded": ("refunded_payment", _refund),
    "PhoneCall": ("phone_call", _call),
    "ConferenceCall": ("conference_call", _conference),
    "GroupCall": ("group_call", _group_call),
    "GroupCallScheduled": ("group_call_scheduled", _scheduled),
    "InviteToGroupCall": ("invite_to_group_call", _users),
    "ScreenshotTaken": ("take_screenshot", _nothing),
    "CustomAction": ("", _custom),
    "BotAllowed": ("", _allowed),
    "SecureValuesSent": ("send_passport_values", _passport),
    "ContactSignUp": ("joined_telegram", _nothing),
    "GeoProximityReached": ("proximity_reached", _proximity),
    "SetMessagesTTL": ("set_messages_ttl", _period),
    "SetChatTheme": ("edit_chat_theme", _theme),
    "SetChatWallPaper": ("", _wallpaper),
    "WebViewDataSent": ("send_webview_data", _nothing),
    "GiftPremium": ("send_premium_gift", _premium),
    "GiftCode": ("gift_code_prize", _gift_code),
    "GiveawayLaunch": ("giveaway_launch", _nothing),
    "GiveawayResults": ("giveaway_results", _giveaway_results),
    "BoostApply": ("boost_apply", _boosts),
    "TopicCreate": ("topic_created", _title),
    "TopicEdit": ("topic_edit", _topic_edit),
    "SuggestProfilePhoto": ("suggest_profile_photo", _photo),
    "RequestedPeer": ("requested_peer", _requested),
    "GiftStars": ("send_stars_gift", _gift_stars),
    "GiftTon": ("send_ton_gift", _gift_ton),
    "PrizeStars": ("stars_prize", _prize),
    "StarGift": ("send_star_gift", _star_gift),
    "StarGiftUnique": ("send_star_gift", _star_gift),
    "StarGiftPurchaseOffer": ("send_star_gift", _star_gift),
    "StarGiftPurchaseOfferDeclined": ("send_star_gift", _star_gift),
    "PaidMessagesRefunded": ("paid_messages_refund", _paid_refund),
    "PaidMessagesPrice": ("paid_messages_price_change", _paid_price),
    "TodoCompletions": ("todo_completions", _completions),
    "TodoAppendTasks": ("todo_append_tasks", _tasks),
    "SuggestedPostApproval": ("process_suggested_post", _approval),
    "SuggestedPostSuccess": ("suggested_post_success", _success),
    "SuggestedPostRefund": ("suggested_post_refund", _post_refund),
    "PollAppendAnswer": ("poll_append_answer", _option),
    "PollDeleteAnswer": ("poll_delete_answer", _option),
    "SuggestBirthday": ("suggest_birthday", _birthday),
    "NoForwardsToggle": ("no_forwards_toggle", _new_value),
    "NoForwardsRequest": ("no_forwards_request", _forwards_request),
    "NewCreatorPending": ("new_creator_pending", _creator),
    "ChangeCreator": ("change_creator", _creator),
    "ManagedBotCreated": ("managed_bot_created", _bot),
}
#: Those that do not say who acted.
_WITHOUT_ACTOR = frozenset({
    "PaymentSent", "PaymentRefunded", "BotAllowed", "SecureValuesSent", "GeoProximityReached", "WebViewDataSent", "GiftCode",
    "GiveawayLaunch", "GiveawayResults",
})
#: Those that Telegram Desktop has no word for: they are written in snake case.
_WORDLESS = frozenset({
    "Empty", "ChangeCommunity", "PaymentSentMe", "SecureValuesSentMe", "WebViewDataSentMe", "RequestedPeerSentMe",
})


def is_known(constructor: str) -> bool:
    """Whether it is one of layer 229."""
    name = constructor.removeprefix(PREFIX)
    return name in ACTIONS or name in _WORDLESS


def action_members(service: Service, actor: int) -> bytes:
    """The members of an action; one that Telegram Desktop does not know has the name of its constructor in snake case."""
    name = service["_"].removeprefix(PREFIX)
    written = b"" if name in _WITHOUT_ACTOR else service.names.actor(actor)
    action, more = ACTIONS.get(name) or (snake_case(name), _nothing)
    if action:
        written += b',\n   "action": %b' % quote(action)
    return written + members(more(service))
