"""Messages of result.json computed from the spec alone. Shares nothing with stages/render."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from support.desktop_actions import Actions
from support.desktop_files import Files, Shelf
from support.desktop_layout import Moved, Pairs, Raw, Tl, as_json, identity, laid_out, marked, phone, told


class Expected(Files, Actions):
    """The messages of one chat."""

    def __init__(self, chat: int, peers: dict[int, Tl], zone: str, shelf: Shelf, older: bool = False) -> None:
        self.chat, self.peers, self.zone, self.shelf = chat, peers, ZoneInfo(zone), shelf
        self.shift = -1_000_000_000 if older else 0
        #: of a message
        self.level = 2

    # peers

    def name(self, peer: int) -> str | None:
        found = self.peers.get(peer, {})
        parts = [found.get("title"), found.get("first_name"), found.get("last_name")]
        return " ".join(part for part in parts if part) or None

    def user(self, peer: int) -> str | None:
        return self.name(peer) if peer > 0 else None

    # times

    def date(self, moment: int) -> str:
        return f"{datetime.fromtimestamp(moment, UTC).astimezone(self.zone):%Y-%m-%dT%H:%M:%S}"

    def stamp(self, moment: int) -> str:
        return f"@{datetime.fromtimestamp(moment, UTC).astimezone(self.zone):%d-%m-%Y_%H-%M-%S}" if moment else ""

    # texts

    def parts(self, text: str, entities: list[Tl]) -> list[Tl]:
        units = array("H", text.encode("utf-16-le"))
        size = len(text.encode())

        def cut(start: int, end: int) -> str:
            raw = units[start:end].tobytes().decode("utf-16-le", "surrogatepass")
            return "".join("?" if "\ud800" <= one <= "\udfff" else one for one in raw)

        found: list[Tl] = []
        at = 0
        for entity in entities:
            start, length = entity["offset"], entity["length"]
            if start < at or length <= 0 or start + length > size:
                continue
            if start > at:
                found.append({"type": "plain", "text": cut(at, start)})
            found.append({**self.kind(entity, cut(start, start + length))})
            at = start + length
        if at < size:
            found.append({"type": "plain", "text": cut(at, size)})
        return found

    def kind(self, entity: Tl, text: str) -> Tl:
        names = {
            "Mention": "mention",
            "Hashtag": "hashtag",
            "BotCommand": "bot_command",
            "Url": "link",
            "Email": "email",
            "Bold": "bold",
            "Italic": "italic",
            "Code": "code",
            "Pre": "pre",
            "TextUrl": "text_link",
            "MentionName": "mention_name",
            "Phone": "phone",
            "Cashtag": "cashtag",
            "Underline": "underline",
            "Strike": "strikethrough",
            "Blockquote": "blockquote",
            "BankCard": "bank_card",
            "Spoiler": "spoiler",
            "CustomEmoji": "custom_emoji",
        }
        name = names.get(entity["_"].removeprefix("messageEntity"), "unknown")
        more = {
            "pre": ("language", entity.get("language")),
            "text_link": ("href", entity.get("url")),
            "mention_name": ("user_id", entity.get("user_id")),
            "custom_emoji": ("document_id", "(unavailable)"),
            "blockquote": ("collapsed", "collapsed" in entity),
        }
        return {"type": name, "text": text, **dict([more[name]] if name in more else [])}

    def text(self, text: str, entities: list[Tl]) -> Any:
        parts = self.parts(text, entities)
        if not parts:
            return Raw('""')
        if len(parts) == 1 and parts[0]["type"] == "plain":
            return Raw(as_json(parts[0]["text"]))
        return [part["text"] if part["type"] == "plain" else part for part in parts]

    def pair(self, text: str, entities: list[Tl]) -> Pairs:
        return [("text", self.text(text, entities)), ("text_entities", self.parts(text, entities) or Raw("[]"))]

    def nested(self, text: Tl) -> Any:
        value = self.text(text["text"], text["entities"])
        return Moved(value, -1) if isinstance(value, list) else value

    # messages

    def message(self, m: Tl) -> Tl:
        sender = marked(m["from_id"]) if "from_id" in m else self.chat
        head: Pairs = [
            ("id", m["id"] + self.shift),
            ("type", "message" if m["_"] == "message" else "service"),
            ("date", self.date(m["date"])),
            ("date_unixtime", str(m["date"])),
        ]
        if m.get("edit_date"):
            head += [("edited", self.date(m["edit_date"])), ("edited_unixtime", str(m["edit_date"]))]
        if m["_"] == "messageService":
            body = self.service(m, sender)
            own = m["action"]["text"] if m["action"]["_"] == "messageActionWebViewDataSent" else ""
            body += [("text", Raw(as_json(own))), ("text_entities", Raw("[]"))]
        else:
            if m.get("media", {}).get("_") == "messageMediaUnsupported" and "rich_message" not in m:
                return {"id": m["id"] + self.shift, "type": "unsupported"}
            body = [("from", self.name(sender)), ("from_id", identity(sender)), *self.origin(m)]
            body += self.media(m.get("media", {"_": "messageMediaEmpty"}), m, sender)
            if "rich_message" in m:
                body.append(("rich_message", m["rich_message"]))
            else:
                body += self.pair(m["message"], m.get("entities", []))
            body.append(("inline_bot_buttons", self.buttons(m.get("reply_markup", {"_": ""}))))
        body.append(("reactions", self.reactions(m.get("reactions", {"results": []}))))
        return told(head + body)

    def answered(self, m: Tl, key: str) -> Pairs:
        reply = m.get("reply_to", {})
        number = reply.get("reply_to_msg_id")
        if not number:
            return []
        peer = marked(reply["reply_to_peer_id"]) if "reply_to_peer_id" in reply else None
        if m["_"] == "messageService" and peer == self.chat:
            peer = None
        return [(key, number + (self.shift if peer is None else 0)), ("reply_to_peer_id", identity(peer) if peer else "")]

    def origin(self, m: Tl) -> Pairs:
        pairs: Pairs = [("author", m.get("post_author", ""))]
        forward = m.get("fwd_from", {})
        if "from_id" in forward:
            peer = marked(forward["from_id"])
            pairs += [("forwarded_from", self.name(peer)), ("forwarded_from_id", identity(peer))]
        else:
            pairs.append(("forwarded_from", forward.get("from_name", "")))
        if "saved_from_peer" in forward:
            pairs.append(("saved_from", self.name(marked(forward["saved_from_peer"]))))
        pairs += self.answered(m, "reply_to_message_id")
        username = self.peers.get(m.get("via_bot_id", 0), {}).get("username")
        return [*pairs, ("via_bot", f"@{username}" if username else "")]

    # media

    def media(self, x: Tl, m: Tl, sender: int) -> Pairs:
        how = getattr(self, "_" + x["_"], None)
        return how(x, m, sender) if how else []

    def _messageMediaContact(self, x: Tl, m: Tl, sender: int) -> Pairs:
        pairs: Pairs = [
            (
                "contact_information",
                {"first_name": x["first_name"], "last_name": x["last_name"], "phone_number": phone(x["phone_number"])},
            )
        ]
        if x["vcard"]:
            path = f"contacts/contact_{self.shelf.count('contact')}.vcard"
            self.shelf.files[path] = x["vcard"].encode()
            pairs += [("contact_vcard", path), ("contact_vcard_file_size", len(x["vcard"].encode()))]
        return pairs

    def where(self, geo: Tl) -> Any:
        known = geo["_"] == "geoPoint" and not isinstance(geo["lat"], str) and not isinstance(geo["long"], str)
        return {"latitude": float(geo["lat"]), "longitude": float(geo["long"])} if known else None

    def _messageMediaGeo(self, x: Tl, m: Tl, sender: int) -> Pairs:
        return [("location_information", self.where(x["geo"]))]

    def _messageMediaGeoLive(self, x: Tl, m: Tl, sender: int) -> Pairs:
        return [("location_information", self.where(x["geo"])), ("live_location_period_seconds", x["period"] or "")]

    def _messageMediaVenue(self, x: Tl, m: Tl, sender: int) -> Pairs:
        return [
            ("place_name", x["title"]),
            ("address", x["address"]),
            ("location_information", self.where(x["geo"]) or ""),
        ]

    def _messageMediaGame(self, x: Tl, m: Tl, sender: int) -> Pairs:
        game = x["game"]
        bot = self.peers.get(m.get("via_bot_id") or m.get("fwd_from", {}).get("from_id", {}).get("user_id") or sender, {})
        link = ""
        if "bot_info_version" in bot and bot.get("username") and game["short_name"]:
            link = f"https://t.me/{bot['username']}?game={game['short_name']}"
        return [("game_title", game["title"]), ("game_description", game["description"]), ("game_link", link)]

    def _messageMediaInvoice(self, x: Tl, m: Tl, sender: int) -> Pairs:
        inner: Tl = {
            "title": x["title"],
            "description": x["description"],
            "amount": x["total_amount"],
            "currency": x["currency"],
        }
        if x.get("receipt_msg_id"):
            inner["receipt_message_id"] = x["receipt_msg_id"]
        return [("invoice_information", laid_out(inner, self.level + 1))]

    def _messageMediaPoll(self, x: Tl, m: Tl, sender: int) -> Pairs:
        votes = {one["option"]: one for one in x["results"].get("results", [])}
        return [
            (
                "poll",
                {
                    "question": self.nested(x["poll"]["question"]),
                    "closed": "closed" in x["poll"],
                    "total_voters": x["results"].get("total_voters", 0),
                    "answers": [
                        {
                            "text": self.nested(one["text"]),
                            "voters": votes.get(one["option"], {}).get("voters", 0),
                            "chosen": "chosen" in votes.get(one["option"], {}),
                        }
                        for one in x["poll"]["answers"]
                    ],
                },
            )
        ]

    def _messageMediaToDo(self, x: Tl, m: Tl, sender: int) -> Pairs:
        todo = x["todo"]
        return [
            (
                "todo_list",
                {
                    "title": self.nested(todo["title"]),
                    "others_can_append": "others_can_append" in todo,
                    "others_can_complete": "others_can_complete" in todo,
                    "answers": [{"text": self.nested(one["title"]), "id": one["id"]} for one in todo["list"]],
                },
            )
        ]

    def _messageMediaGiveaway(self, x: Tl, m: Tl, sender: int) -> Pairs:
        return [
            (
                "giveaway_information",
                {
                    "quantity": x["quantity"],
                    "months": x.get("months", 0),
                    "until_date": self.date(x["until_date"]),
                    "channels": x["channels"],
                    "countries": x.get("countries_iso2", []),
                    "additional_prize": x.get("prize_description", ""),
                    "stars": x.get("stars", 0),
                    "is_only_new_subscribers": "only_new_subscribers" in x,
                },
            )
        ]

    def _messageMediaGiveawayResults(self, x: Tl, m: Tl, sender: int) -> Pairs:
        return [
            (
                "giveaway_results",
                {
                    "channel": x["channel_id"],
                    "winners": x["winners"],
                    "additional_prize": x.get("prize_description", ""),
                    "until_date": self.date(x["until_date"]),
                    "launch_message_id": x["launch_msg_id"],
                    "additional_peers_count": x.get("additional_peers_count", 0),
                    "winners_count": x["winners_count"],
                    "unclaimed_count": x["unclaimed_count"],
                    "months": x.get("months", 0),
                    "stars": x.get("stars", 0),
                    "is_refunded": "refunded" in x,
                    "is_only_new_subscribers": "only_new_subscribers" in x,
                },
            )
        ]

    def _messageMediaPaidMedia(self, x: Tl, m: Tl, sender: int) -> Pairs:
        for one in x["extended_media"]:
            inner = one.get("media", {"_": ""})
            before = dict(self.shelf.files), dict(self.shelf.placed)
            if inner["_"] in ("messageMediaPhoto", "messageMediaDocument", "messageMediaContact"):
                self.media(inner, m, sender)
            self.shelf.files, self.shelf.placed = before
        return [("paid_stars_amount", x["stars_amount"])]

    # behind the text

    def buttons(self, markup: Tl) -> Any:
        words = {
            "Url": "url",
            "UrlAuth": "auth",
            "WebView": "web_view",
            "Game": "game",
            "Buy": "buy",
            "Copy": "copy_text",
            "UserProfile": "user_profile",
            "Disabled": "default",
        }
        rows = []
        for row in markup.get("rows", []) if markup["_"] == "replyInlineMarkup" else []:
            written = []
            for button in row["buttons"]:
                kind = button["type"]
                if kind["_"].startswith("input"):
                    continue
                name = kind["_"].removeprefix("inlineButtonType")
                data: Pairs = [("data", str(kind.get("url", kind.get("user_id", kind.get("copy_text", "")))))]
                word = words.get(name, "default")
                if name == "Callback":
                    word = "callback" + "_with_password" * ("requires_password" in kind)
                    coded = kind["data"].replace("+", "-").replace("/", "_").rstrip("=")
                    data = [("dataBase64", coded), ("data", Raw('""') if coded else "")]
                elif name == "SwitchInline":
                    word, data = "switch_inline" + "_same" * ("same_peer" in kind), [("data", kind["query"])]
                written.append(
                    told(
                        [
                            ("type", word),
                            ("text", button["text"]),
                            *data,
                            ("forward_text", kind.get("fwd_text", "")),
                            ("button_id", kind.get("button_id") or ""),
                        ]
                    )
                )
            if written:
                rows.append(written)
        return rows or Ellipsis

    def reactions(self, found: Tl) -> Any:
        order: list[list[Any]] = []

        def of(reaction: Tl, count: int) -> list[Any]:
            for one in order:
                if one[0] == reaction:
                    return one
            order.append([reaction, count, []])
            return order[-1]

        for one in found["results"]:
            of(one["reaction"], one["count"])
        for one in found.get("recent_reactions", []):
            peer = marked(one["peer_id"])
            of(one["reaction"], 0)[2].append(
                {"from": self.name(peer), "from_id": identity(peer), "date": self.date(one["date"])}
            )
        kinds = {
            "reactionEmoji": "emoji",
            "reactionCustomEmoji": "custom_emoji",
            "reactionPaid": "paid",
            "reactionEmpty": "empty",
        }
        written = [
            told(
                [
                    ("type", kinds[reaction["_"]]),
                    ("count", count),
                    ("emoji", reaction.get("emoticon", "")),
                    ("document_id", "(unavailable)" if "document_id" in reaction else ""),
                    ("recent", recent or Ellipsis),
                ]
            )
            for reaction, count, recent in order
        ]
        return Moved(written, 1) if written else Ellipsis
