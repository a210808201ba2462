"""Actions of service messages in result.json, by the spec."""

from __future__ import annotations

import re
from typing import Any

from support.desktop_layout import Pairs, Raw, Tl, identity, laid_out, marked, price, snake


class Actions:
    """What `Expected` writes for a service message."""

    #: of a message
    level = 2

    def name(self, peer: int) -> str | None:
        raise TypeError

    def user(self, peer: int) -> str | None:
        raise TypeError

    def text(self, text: str, entities: list[Tl]) -> Any:
        raise TypeError

    def nested(self, text: Tl) -> Any:
        raise TypeError

    def answered(self, m: Tl, key: str) -> Pairs:
        raise TypeError

    def photo(self, photo: Tl | None, date: int, gone: bool = False) -> Pairs:
        raise TypeError

    def service(self, m: Tl, sender: int) -> Pairs:
        a = m["action"]
        name = a["_"].removeprefix("messageAction")
        actor: Pairs = [("actor", self.name(sender)), ("actor_id", identity(sender))]
        if name in (
            "PaymentSent",
            "PaymentRefunded",
            "BotAllowed",
            "SecureValuesSent",
            "GeoProximityReached",
            "WebViewDataSent",
            "GiftCode",
            "GiveawayLaunch",
            "GiveawayResults",
        ):
            actor = []
        how = getattr(self, f"act_{name}", None)
        if how is not None:
            pairs: Pairs = actor + how(a, m)
            return pairs
        plain = {
            "ChatDeletePhoto": "delete_group_photo",
            "ChatJoinedByRequest": "join_group_by_request",
            "ChatMigrateTo": "migrate_to_supergroup",
            "HistoryClear": "clear_history",
            "ScreenshotTaken": "take_screenshot",
            "ContactSignUp": "joined_telegram",
            "GiveawayLaunch": "giveaway_launch",
            "WebViewDataSent": "send_webview_data",
        }
        if name in plain:
            return [*actor, ("action", plain[name])]
        fields = FIELDS.get(name)
        if fields is None:
            return [*actor, ("action", snake(a["_"]))]
        word, *rest = fields.split()
        told: Pairs = [*actor, ("action", word)]
        for one in rest:
            key, _, source = one.partition("=")
            source = source or key
            if source[0] == "?":
                value: Any = source[1:] in a
            elif source[0] == "!":
                value = bool(a[source[1:]])
            elif source[0] == "~":
                value = a.get(source[1:]) or ""
            elif source[0] == "@":
                value = self.user(a[source[1:]])
            else:
                value = a[source]
                value = [self.user(one) for one in value] if key == "members" else value
            told.append((key, value))
        return told

    def act_ChatEditPhoto(self, a: Tl, m: Tl) -> Pairs:
        return [("action", "edit_group_photo"), *self.photo(a["photo"], m["date"])]

    def act_SuggestProfilePhoto(self, a: Tl, m: Tl) -> Pairs:
        return [("action", "suggest_profile_photo"), *self.photo(a["photo"], m["date"])]

    def act_ChatDeleteUser(self, a: Tl, m: Tl) -> Pairs:
        return [("action", "remove_members"), ("members", [self.user(a["user_id"])])]

    def act_PinMessage(self, a: Tl, m: Tl) -> Pairs:
        return [("action", "pin_message"), *self.answered(m, "message_id")]

    def act_GameScore(self, a: Tl, m: Tl) -> Pairs:
        return [("action", "score_in_game"), *self.answered(m, "game_message_id"), ("score", a["score"])]

    def act_PaymentSent(self, a: Tl, m: Tl) -> Pairs:
        again = "used" if "recurring_used" in a else "init" if "recurring_init" in a else ""
        return [
            ("action", "send_payment"),
            ("amount", a["total_amount"]),
            ("currency", a["currency"]),
            *self.answered(m, "invoice_message_id"),
            ("recurring", again),
        ]

    def act_PaymentRefunded(self, a: Tl, m: Tl) -> Pairs:
        peer = marked(a["peer"])
        return [
            ("action", "refunded_payment"),
            ("amount", a["total_amount"]),
            ("currency", a["currency"]),
            ("peer_name", self.name(peer)),
            ("peer_id", identity(peer)),
            ("charge_id", a["charge"]["id"]),
        ]

    def act_PhoneCall(self, a: Tl, m: Tl) -> Pairs:
        reason = a.get("reason", {"_": ""})["_"].removeprefix("phoneCallDiscardReason").lower()
        reason = "migrate_conference_all" if reason.startswith("migrate") else reason
        return [("action", "phone_call"), ("duration_seconds", a.get("duration") or ""), ("discard_reason", reason)]

    def act_ConferenceCall(self, a: Tl, m: Tl) -> Pairs:
        return [
            ("action", "conference_call"),
            ("duration_seconds", a.get("duration") or ""),
            ("is_active", "active" in a and "missed" not in a),
            ("is_missed", "missed" in a),
        ]

    def act_CustomAction(self, a: Tl, m: Tl) -> Pairs:
        return [("information_text", a["message"])]

    def act_BotAllowed(self, a: Tl, m: Tl) -> Pairs:
        if "attach_menu" in a:
            return [("action", "attach_menu_bot_allowed")]
        if "from_request" in a:
            return [("action", "web_app_bot_allowed")]
        app = a.get("app", {})
        if "id" in app:
            return [("action", "allow_sending_messages"), ("reason_app_id", app["id"]), ("reason_app_name", app["title"])]
        return [("action", "allow_sending_messages"), ("reason_domain", a.get("domain", ""))]

    def act_SecureValuesSent(self, a: Tl, m: Tl) -> Pairs:
        names = {"address": "address_information", "phone": "phone_number"}
        found = [
            re.sub("(?<=[a-z])(?=[A-Z])", "_", one["_"].removeprefix("secureValueType")).lower() for one in a["types"]
        ]
        return [("action", "send_passport_values"), ("values", [names.get(one, one) for one in found])]

    def act_GeoProximityReached(self, a: Tl, m: Tl) -> Pairs:
        one, two = marked(a["from_id"]), marked(a["to_id"])
        return [
            ("action", "proximity_reached"),
            ("from", self.name(one)),
            ("from_id", identity(one)),
            ("to", self.name(two)),
            ("to_id", identity(two)),
            ("distance", a["distance"]),
        ]

    def act_SetChatTheme(self, a: Tl, m: Tl) -> Pairs:
        return [("action", "edit_chat_theme"), ("emoticon", a["theme"].get("emoticon", ""))]

    def act_SetChatWallPaper(self, a: Tl, m: Tl) -> Pairs:
        return [
            ("action", "set_same_chat_wallpaper" if "same" in a else "set_chat_wallpaper"),
            *self.answered(m, "message_id"),
        ]

    def act_GiftPremium(self, a: Tl, m: Tl) -> Pairs:
        return [("action", "send_premium_gift"), ("cost", price(a)), ("days", a["days"] or "")]

    def act_GiftCode(self, a: Tl, m: Tl) -> Pairs:
        boost = identity(marked(a["boost_peer"])) if "boost_peer" in a else ""
        return [
            ("action", "gift_code_prize"),
            ("gift_code", a["slug"]),
            ("boost_peer_id", boost),
            ("days", a["days"]),
            ("unclaimed", "unclaimed" in a),
            ("via_giveaway", "via_giveaway" in a),
        ]

    def act_TopicEdit(self, a: Tl, m: Tl) -> Pairs:
        return [
            ("action", "topic_edit"),
            ("new_title", a.get("title", "")),
            ("new_icon_emoji_id", a.get("icon_emoji_id", "")),
        ]

    def act_RequestedPeer(self, a: Tl, m: Tl) -> Pairs:
        tags = {"peerUser": 0, "peerChat": 1, "peerChannel": 2}
        peers = [(tags[one["_"]] << 48) + next(v for k, v in one.items() if k != "_") for one in a["peers"]]
        return [("action", "requested_peer"), ("button_id", a["button_id"]), ("peers", laid_out(peers, self.level + 1))]

    def act_GiftStars(self, a: Tl, m: Tl) -> Pairs:
        return [
            ("action", "send_stars_gift"),
            ("cost", price(a)),
            ("amount_whole", a["stars"] or ""),
            ("amount_nano", 0 if a["stars"] else ""),
        ]

    def act_GiftTon(self, a: Tl, m: Tl) -> Pairs:
        whole, nano = divmod(a["amount"], 10**9)
        return [
            ("action", "send_ton_gift"),
            ("cost", price(a)),
            ("amount_whole", whole if a["amount"] else ""),
            ("amount_nano", nano if a["amount"] else ""),
        ]

    def act_PrizeStars(self, a: Tl, m: Tl) -> Pairs:
        peer = marked(a["boost_peer"])
        return [
            ("action", "stars_prize"),
            ("boost_peer_id", identity(peer)),
            ("boost_peer_name", self.name(peer)),
            ("stars", a["stars"]),
            ("is_unclaimed", "unclaimed" in a),
            ("giveaway_msg_id", a["giveaway_msg_id"]),
            ("transaction_id", a["transaction_id"]),
        ]

    def act_StarGift(self, a: Tl, m: Tl) -> Pairs:
        gift, given = a["gift"], a["_"] == "messageActionStarGift"
        message = a.get("message") if given else None
        return [
            ("action", "send_star_gift"),
            ("gift_id", gift["id"]),
            ("stars", gift.get("stars", 0)),
            ("is_limited", "limited" in gift),
            ("is_anonymous", given and "name_hidden" in a),
            ("gift_text", self.text(message["text"], message["entities"]) if message else Raw('""')),
        ]

    act_StarGiftUnique = act_StarGiftPurchaseOffer = act_StarGiftPurchaseOfferDeclined = act_StarGift

    def act_TodoCompletions(self, a: Tl, m: Tl) -> Pairs:
        return [
            ("action", "todo_completions"),
            *((key, Raw("[" + ",".join(map(str, a[key])) + "]")) for key in ("completed", "incompleted")),
        ]

    def act_TodoAppendTasks(self, a: Tl, m: Tl) -> Pairs:
        return [
            ("action", "todo_append_tasks"),
            ("items", [{"text": self.nested(i["title"]), "id": i["id"]} for i in a["list"]]),
        ]

    def act_SuggestedPostApproval(self, a: Tl, m: Tl) -> Pairs:
        if "rejected" in a:
            return [("action", "process_suggested_post"), ("rejected", True), ("comment", a.get("reject_comment", ""))]
        return [
            ("action", "process_suggested_post"),
            *self.cost(a.get("price")),
            ("scheduled_date", a.get("schedule_date", 0)),
        ]

    def act_SuggestedPostSuccess(self, a: Tl, m: Tl) -> Pairs:
        return [("action", "suggested_post_success"), *self.cost(a["price"])]

    def cost(self, price: Tl | None) -> Pairs:
        price = price or {"_": "starsAmount", "amount": 0, "nanos": 0}
        ton = price["_"] == "starsTonAmount"
        whole, nano = divmod(price["amount"], 10**9) if ton else (price["amount"], price["nanos"])
        return [
            ("price_amount_whole", str(whole)),
            ("price_amount_nano", str(nano)),
            ("price_currency", "TON" if ton else "Stars"),
        ]

    def act_PollAppendAnswer(self, a: Tl, m: Tl) -> Pairs:
        word = "poll_append_answer" if "Append" in a["_"] else "poll_delete_answer"
        return [("action", word), ("option", a["answer"]["text"]["text"])]

    act_PollDeleteAnswer = act_PollAppendAnswer

    def act_SuggestBirthday(self, a: Tl, m: Tl) -> Pairs:
        b = a["birthday"]
        return [("action", "suggest_birthday"), ("day", b["day"]), ("month", b["month"]), ("year", b.get("year") or "")]


#: Actions whose members are fields as they are: ?flag, !Bool, ~left out where 0, @name of a user.
FIELDS = {
    "ChatCreate": "create_group title members=users",
    "ChatEditTitle": "edit_group_title title",
    "ChatAddUser": "invite_members members=users",
    "ChatJoinedByLink": "join_group_by_link inviter=@inviter_id",
    "ChatJoinedViaCommunity": "join_group_via_community community_id",
    "ChannelCreate": "create_channel title",
    "ChannelMigrateFrom": "migrate_from_group title",
    "GroupCall": "group_call duration=~duration",
    "GroupCallScheduled": "group_call_scheduled schedule_date",
    "InviteToGroupCall": "invite_to_group_call members=users",
    "SetMessagesTTL": "set_messages_ttl period",
    "GiveawayResults": "giveaway_results winners=winners_count unclaimed=unclaimed_count stars=?stars",
    "BoostApply": "boost_apply boosts",
    "TopicCreate": "topic_created title",
    "PaidMessagesRefunded": "paid_messages_refund messages_count=count stars_count=stars",
    "PaidMessagesPrice": "paid_messages_price_change price_stars=stars "
    "is_broadcast_messages_allowed=?broadcast_messages_allowed",
    "SuggestedPostRefund": "suggested_post_refund user_initiated=?payer_initiated",
    "NoForwardsToggle": "no_forwards_toggle new_value=!new_value",
    "NoForwardsRequest": "no_forwards_request expired=?expired new_value=!new_value",
    "NewCreatorPending": "new_creator_pending new_creator=@new_creator_id",
    "ChangeCreator": "change_creator new_creator=@new_creator_id",
    "ManagedBotCreated": "managed_bot_created bot=@bot_id",
}
