"""Service messages in words: who did what. Each format says names, texts and links in its own way."""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from tgbulk.stages.render.money import money
from tgbulk.stages.telegram.peer import marked

Tl = dict[str, Any]

#: Names of one message that are written out.
_NAMES = 200
_DURATIONS = ((31_536_000, "year"), (2_592_000, "month"), (604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"),
              (1, "second"))
_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Voice(Protocol):
    """How a format says what others wrote."""

    def name(self, peer: int) -> str:
        """The name of a user or chat by its marked id."""

    def text(self, text: str) -> str:
        """Somebody's text."""

    def when(self, unix: int) -> str:
        """A time."""

    def message(self, number: int, words: str) -> str:
        """A link to a message of the same chat around these words."""


def service_words(message: Tl, actor: str, post: bool, say: Voice) -> str:
    """What a messageService says. actor: who did it, as the format says names; post: in a broadcast channel."""
    action = message["action"]
    words = _WORDS.get(action["_"])
    if words is None:
        return f"{actor}: {say.text(action_words(action['_']))}"
    return words(_Told(action, message, actor, post, say))


def action_words(name: str) -> str:
    """A constructor's name in words, for an action of a later layer."""
    return _CAPITALS.sub(" ", name.removeprefix("messageAction")).lower()


def duration(seconds: int) -> str:
    """The largest unit that divides it: 1 week, 90 seconds."""
    for size, unit in _DURATIONS:
        if seconds and seconds % size == 0:
            return counted(seconds // size, unit)
    return counted(seconds, "second")


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class _Told:
    """One action, while words are found for it."""

    __slots__ = ("action", "actor", "message", "post", "say")

    def __init__(self, action: Tl, message: Tl, actor: str, post: bool, say: Voice) -> None:
        self.action, self.message, self.actor, self.post, self.say = action, message, actor, post, say

    def names(self, ids: list[int]) -> str:
        said = ", ".join(self.say.name(one) for one in ids[:_NAMES])
        return said if len(ids) <= _NAMES else f"{said} and {len(ids) - _NAMES} more"

    def text(self, field: str) -> str:
        return self.say.text(self.action.get(field, ""))

    def peer(self, field: str) -> str:
        return self.say.name(marked(self.action[field]))

    def reply(self, words: str) -> str:
        """A link to the message that the action is about."""
        number = self.message.get("reply_to", {}).get("reply_to_msg_id")
        return self.say.message(number, words) if number else words

    def answer(self) -> str:
        return self.say.text(self.action["answer"].get("text", {}).get("text", ""))

    def money(self, amount: str = "amount") -> str:
        return self.say.text(money(self.action[amount], self.action["currency"]))


def _edit_title(t: _Told) -> str:
    if t.post:
        return f"Channel title changed to «{t.text('title')}»"
    return f"{t.actor} changed group title to «{t.text('title')}»"


def _topic_edit(t: _Told) -> str:
    said = []
    if "title" in t.action:
        said.append(f"changed topic title to «{t.text('title')}»")
    if "icon_emoji_id" in t.action:
        icon = t.action["icon_emoji_id"]
        said.append(f"changed topic icon to «{icon}»" if icon else "removed topic icon")
    for field, words in (("closed", ("closed topic", "reopened topic")), ("hidden", ("hid topic", "showed topic"))):
        if field in t.action:
            said.append(words[0] if t.action[field] else words[1])
    return f"{t.actor} {', '.join(said) or 'edited topic'}"


def _call(t: _Told) -> str:
    kind = "Video call" if t.action.get("video") else "Call"
    reason = t.action.get("reason", {}).get("_", "").removeprefix("phoneCallDiscardReason")
    length = f", {duration(t.action['duration'])}" if t.action.get("duration") else ""
    return f"{kind} by {t.actor}{length}{f', {action_words(reason)}' if reason else ''}"


def _group_call(t: _Told) -> str:
    if "duration" in t.action:
        return f"Voice chat ({duration(t.action['duration'])})"
    return f"{t.actor} started voice chat"


def _conference(t: _Told) -> str:
    kind = "Group video call" if t.action.get("video") else "Group call"
    state = ", missed" if t.action.get("missed") else ", going on" if t.action.get("active") else ""
    length = f", {duration(t.action['duration'])}" if t.action.get("duration") else ""
    return f"{kind} by {t.actor}{length}{state}"


def _bot_allowed(t: _Told) -> str:
    if t.action.get("attach_menu"):
        return f"{t.actor} allowed this bot in the attachment menu"
    app = t.action.get("app", {}).get("title")
    if app:
        return f"{t.actor} allowed this bot to send messages through {t.say.text(app)}"
    source = f" by logging in to {t.text('domain')}" if "domain" in t.action else ""
    return f"{t.actor} allowed this bot to send messages{source}"


def _ttl(t: _Told) -> str:
    if not t.action["period"]:
        return f"{t.actor} has set messages not to auto-delete"
    return f"{t.actor} has set messages to auto-delete in {duration(t.action['period'])}"


def _theme(t: _Told) -> str:
    emoticon = t.action["theme"].get("emoticon", "")
    return f"{t.actor} changed chat theme to {t.say.text(emoticon)}" if emoticon else f"{t.actor} changed chat theme"


def _passport(values: str) -> Callable[[_Told], str]:
    def words(t: _Told) -> str:
        kinds = [one["type"]["_"] if "type" in one else one["_"] for one in t.action[values]]
        said = ", ".join(action_words(kind.removeprefix("secureValueType")) for kind in kinds)
        return f"{t.actor} sent Telegram Passport data: {said}"
    return words


def _gift(t: _Told) -> str:
    gift = t.action["gift"]
    title = f" «{t.say.text(gift['title'])}»" if gift.get("title") else ""
    stars = f" for {counted(gift['stars'], 'star')}" if "stars" in gift else ""
    text = t.action.get("message", {}).get("text", "")
    return f"{t.actor} sent a gift{title}{stars}{f': {t.say.text(text)}' if text else ''}"


def _price(t: _Told) -> str:
    price = t.action.get("price")
    if price is None:
        return ""
    if price["_"] == "starsTonAmount":
        return f" for {price['amount'] / 1e9:g} TON"
    return f" for {counted(price['amount'], 'star')}"


def _approval(t: _Told) -> str:
    if t.action.get("rejected"):
        reason = t.text("reject_comment")
        return f"{t.actor} rejected the suggested post{f': {reason}' if reason else ''}"
    if t.action.get("balance_too_low"):
        return f"{t.actor} could not publish the suggested post: the balance is too low"
    when = f", to be published {t.say.when(t.action['schedule_date'])}" if "schedule_date" in t.action else ""
    return f"{t.actor} approved the suggested post{_price(t)}{when}"


def _birthday(t: _Told) -> str:
    one = t.action["birthday"]
    return f"{t.actor} suggested a birthday: {'-'.join(f'{one[f]:02}' for f in ('year', 'month', 'day') if f in one)}"


def _deleted(t: _Told) -> str:
    gone = t.action["user_id"]
    if "from_id" in t.message and marked(t.message["from_id"]) == gone:
        return f"{t.actor} left the group"
    return f"{t.actor} removed {t.say.name(gone)}"


def _added(t: _Told) -> str:
    users = t.action["users"]
    if "from_id" in t.message and users == [marked(t.message["from_id"])]:
        return f"{t.actor} joined the group"
    return f"{t.actor} invited {t.names(users)}"


def _paid(t: _Told) -> str:
    return f"{t.actor} paid {t.money('total_amount')}{' (recurring)' if t.action.get('recurring_used') else ''}"


def _noforwards(t: _Told) -> str:
    return "disallowed" if t.action["new_value"] else "allowed"


def _peers(t: _Told) -> str:
    peers = [marked(one | {"_": one["_"].replace("requestedPeer", "peer")}) for one in t.action["peers"]]
    return f"{t.actor} shared {t.names(peers)} with the bot"


_WORDS: dict[str, Callable[[_Told], str]] = {
    "messageActionEmpty": lambda t: f"{t.actor}: empty service message",
    "messageActionChatCreate":
        lambda t: f"{t.actor} created group «{t.text('title')}» with members {t.names(t.action['users'])}",
    "messageActionChatEditTitle": _edit_title,
    "messageActionChatEditPhoto": lambda t: "Channel photo changed" if t.post else f"{t.actor} changed group photo",
    "messageActionChatDeletePhoto": lambda t: "Channel photo removed" if t.post else f"{t.actor} removed group photo",
    "messageActionChatAddUser": _added,
    "messageActionChatDeleteUser": _deleted,
    "messageActionChatJoinedByLink": lambda t: f"{t.actor} joined group by link from {t.say.name(t.action['inviter_id'])}",
    "messageActionChatJoinedByRequest": lambda t: f"{t.actor} joined group by request",
    "messageActionChatJoinedViaCommunity": lambda t: f"{t.actor} joined group by a community",
    "messageActionChannelCreate":
        lambda t: f"Channel «{t.text('title')}» created" if t.post else f"{t.actor} created group «{t.text('title')}»",
    "messageActionChatMigrateTo": lambda t: f"{t.actor} converted this group to a supergroup",
    "messageActionChannelMigrateFrom":
        lambda t: f"{t.actor} converted a basic group to this supergroup «{t.text('title')}»",
    "messageActionPinMessage": lambda t: f"{t.actor} pinned {t.reply('this message')}",
    "messageActionHistoryClear": lambda t: "History cleared",
    "messageActionGameScore": lambda t: f"{t.actor} scored {t.action['score']:,} in {t.reply('this game')}",
    "messageActionPaymentSent": _paid,
    "messageActionPaymentSentMe": _paid,
    "messageActionPaymentRefunded": lambda t: f"{t.peer('peer')} refunded {t.money('total_amount')}",
    "messageActionPhoneCall": _call,
    "messageActionConferenceCall": _conference,
    "messageActionGroupCall": _group_call,
    "messageActionGroupCallScheduled": lambda t: f"Voice chat scheduled for {t.say.when(t.action['schedule_date'])}",
    "messageActionInviteToGroupCall": lambda t: f"{t.actor} invited {t.names(t.action['users'])} to the voice chat",
    "messageActionScreenshotTaken": lambda t: f"{t.actor} took a screenshot",
    "messageActionCustomAction": lambda t: t.text("message"),
    "messageActionBotAllowed": _bot_allowed,
    "messageActionSecureValuesSent": _passport("types"),
    "messageActionSecureValuesSentMe": _passport("values"),
    "messageActionContactSignUp": lambda t: f"{t.actor} joined Telegram",
    "messageActionGeoProximityReached":
        lambda t: f"{t.peer('from_id')} is now within {t.action['distance']:,} m of {t.peer('to_id')}",
    "messageActionSetMessagesTTL": _ttl,
    "messageActionSetChatTheme": _theme,
    "messageActionSetChatWallPaper": lambda t: f"{t.actor} set a new wallpaper for this chat",
    "messageActionWebViewDataSent": lambda t: f"{t.actor} sent data from «{t.text('text')}» to the bot",
    "messageActionWebViewDataSentMe": lambda t: f"{t.actor} sent data from «{t.text('text')}» to the bot",
    "messageActionGiftPremium":
        lambda t: f"{t.actor} sent {counted(t.action['days'], 'day')} of Telegram Premium for {t.money()}",
    "messageActionGiftCode":
        lambda t: f"Gift code {t.text('slug')} for {counted(t.action['days'], 'day')} of Telegram Premium",
    "messageActionGiveawayLaunch": lambda t: f"{t.actor} started a giveaway",
    "messageActionGiveawayResults":
        lambda t: f"{counted(t.action['winners_count'], 'winner')} of the giveaway were selected",
    "messageActionBoostApply": lambda t: f"{t.actor} boosted the group {counted(t.action['boosts'], 'time')}",
    "messageActionTopicCreate": lambda t: f"{t.actor} created topic «{t.text('title')}»",
    "messageActionTopicEdit": _topic_edit,
    "messageActionSuggestProfilePhoto": lambda t: f"{t.actor} suggested a profile photo",
    "messageActionRequestedPeer": _peers,
    "messageActionRequestedPeerSentMe": _peers,
    "messageActionGiftStars": lambda t: f"{t.actor} sent a gift of {counted(t.action['stars'], 'star')} for {t.money()}",
    "messageActionGiftTon": lambda t: f"{t.actor} sent a gift of TON for {t.money()}",
    "messageActionPrizeStars": lambda t: f"{counted(t.action['stars'], 'star')} won in a giveaway of {t.peer('boost_peer')}",
    "messageActionStarGift": _gift,
    "messageActionStarGiftUnique": _gift,
    "messageActionStarGiftPurchaseOffer": lambda t: f"{t.actor} made an offer for a gift{_price(t)}",
    "messageActionStarGiftPurchaseOfferDeclined": lambda t: f"{t.actor} declined an offer for a gift{_price(t)}",
    "messageActionPaidMessagesRefunded":
        lambda t: f"{t.actor} refunded {counted(t.action['stars'], 'star')} for {counted(t.action['count'], 'message')}",
    "messageActionPaidMessagesPrice":
        lambda t: f"{t.actor} set the price of a message to {counted(t.action['stars'], 'star')}",
    "messageActionTodoCompletions": lambda t: f"{t.actor} changed what is done of {t.reply('the checklist')}",
    "messageActionTodoAppendTasks":
        lambda t: f"{t.actor} added {counted(len(t.action['list']), 'task')} to {t.reply('the checklist')}",
    "messageActionSuggestedPostApproval": _approval,
    "messageActionSuggestedPostSuccess": lambda t: f"The suggested post was published{_price(t)}",
    "messageActionSuggestedPostRefund": lambda t: "The payment for the suggested post was returned",
    "messageActionPollAppendAnswer":
        lambda t: f"{t.actor} added «{t.answer()}» to {t.reply('the poll')}",
    "messageActionPollDeleteAnswer":
        lambda t: f"{t.actor} took «{t.answer()}» out of {t.reply('the poll')}",
    "messageActionSuggestBirthday": _birthday,
    "messageActionNoForwardsToggle": lambda t: f"{t.actor} {_noforwards(t)} copying of messages",
    "messageActionNoForwardsRequest": lambda t: f"{t.actor} asked that copying of messages be {_noforwards(t)}",
    "messageActionNewCreatorPending":
        lambda t: f"{t.say.name(t.action['new_creator_id'])} will become the owner if {t.actor} does not come back",
    "messageActionChangeCreator": lambda t: f"{t.say.name(t.action['new_creator_id'])} became the owner",
    "messageActionManagedBotCreated": lambda t: f"{t.actor} created the bot {t.say.name(t.action['bot_id'])}",
    "messageActionChangeCommunity": lambda t: f"{t.actor} changed the community of this chat",
}
