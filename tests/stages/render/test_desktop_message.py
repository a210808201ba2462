"""Single rules of result.json, each against text written by hand from the spec."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.desktop.chat import chat_type, user_type
from tgbulk.stages.render.desktop.layout import finish
from tgbulk.stages.render.desktop.media_store import MediaStore
from tgbulk.stages.render.desktop.message import Look, Messages
from tgbulk.stages.render.desktop.names import Names, shown
from tgbulk.stages.render.desktop.place import Places, file_name
from tgbulk.stages.render.money import money, phone_number

Tl = dict[str, Any]
CHAT = -1000000000042
ANN: Tl = {"_": "user", "id": 1, "first_name": "Ann", "last_name": "Lee", "username": "ann"}
BOT: Tl = {"_": "user", "id": 2, "first_name": "Bot", "username": "gamebot", "bot": True, "bot_info_version": 3}
NFT: Tl = {"_": "user", "id": 3, "last_name": "Only", "bot": True, "usernames": [{"username": "nft", "active": True}]}
GONE: Tl = {"_": "user", "id": 4, "deleted": True}
GROUP: Tl = {"_": "channel", "id": 42, "title": "Group", "megagroup": True}
PEERS = {1: ANN, 2: BOT, 3: NFT, 4: GONE, CHAT: GROUP}
GONE_SENTENCE = "(File unavailable, please try again later)"


class Nothing(MediaStore):
    """An archive without media; what is put is kept here."""

    def __init__(self) -> None:
        self.put: dict[str, bytes] = {}

    def expect(self, keys: object) -> None:
        """Nothing is looked up."""

    def find(self, key: object, size: int, kind: str) -> tuple[None, str]:
        return None, "(File not included. Change data exporting settings to download.)"

    def put_bytes(self, name: str, data: bytes) -> int:
        self.put[name] = data
        return len(data)


def peer(number: int) -> Tl:
    if number > 0:
        return {"_": "peerUser", "user_id": number}
    return (
        {"_": "peerChannel", "channel_id": -number - 10**12}
        if number < -(10**12)
        else {"_": "peerChat", "chat_id": -number}
    )


def message(**fields: Any) -> Tl:
    return {
        "_": "message",
        "id": 7,
        "peer_id": peer(CHAT),
        "from_id": peer(1),
        "date": 1_700_000_000,
        "message": "",
    } | fields


def service(name: str, **action: Any) -> Tl:
    extra: Tl = action.pop("extra", {})
    return {
        "_": "messageService",
        "id": 7,
        "peer_id": peer(CHAT),
        "from_id": peer(1),
        "date": 1_700_000_000,
        "action": {"_": f"messageAction{name}", **action},
    } | extra


def write(one: Tl, zone: str = "UTC", chat: int = CHAT, store: Nothing | None = None, **look: Any) -> str:
    options = {"older": False, "forum": False} | look
    older, forum = options.pop("older"), options.pop("forum")
    names = Names({number: shown(value) for number, value in PEERS.items()}.get)
    messages = Messages(chat, names, Clock(ZoneInfo(zone)), Look(**options), forum, older)
    return Places(store or Nothing(), "").fill(finish(messages.write(one))).decode()


def members(one: Tl, **more: Any) -> Tl:
    found: Tl = json.loads(write(one, **more))
    return found


def test_a_message_as_it_stands() -> None:
    assert (
        write(message(message="Hi", edit_date=1_700_000_060, post_author="me"))
        == """{
   "id": 7,
   "type": "message",
   "date": "2023-11-14T22:13:20",
   "date_unixtime": "1700000000",
   "edited": "2023-11-14T22:14:20",
   "edited_unixtime": "1700000060",
   "from": "Ann Lee",
   "from_id": "user1",
   "author": "me",
   "text": "Hi",
   "text_entities": [
    {
     "type": "plain",
     "text": "Hi"
    }
   ]
  }"""
    )


def test_a_poll_and_reactions_have_their_odd_indentation() -> None:
    bold = {"_": "textWithEntities", "text": "Q?", "entities": [{"_": "messageEntityBold", "offset": 0, "length": 1}]}
    media = {
        "_": "messageMediaPoll",
        "poll": {"question": bold, "answers": [{"text": bold, "option": "MA=="}]},
        "results": {"_": "pollResults"},
    }
    reactions = {
        "results": [{"reaction": {"_": "reactionEmoji", "emoticon": "x"}, "count": 2}],
        "recent_reactions": [{"peer_id": peer(4), "date": 1_700_000_000, "reaction": {"_": "reactionPaid"}}],
    }
    assert (
        write(message(media=media, reactions=reactions)).partition('   "poll"')[2]
        == """: {
    "question": [
    {
     "type": "bold",
     "text": "Q"
    },
    "?"
   ],
    "closed": false,
    "total_voters": 0,
    "answers": [
     {
      "text": [
      {
       "type": "bold",
       "text": "Q"
      },
      "?"
     ],
      "voters": 0,
      "chosen": false
     }
    ]
   },
   "text": "",
   "text_entities": [],
   "reactions": [
     {
      "type": "emoji",
      "count": 2,
      "emoji": "x"
     },
     {
      "type": "paid",
      "count": 0,
      "recent": [
       {
        "from": null,
        "from_id": "user4",
        "date": "2023-11-14T22:13:20"
       }
      ]
     }
    ]
  }"""
    )


def test_texts_in_strings_have_the_indentation_of_their_place() -> None:
    media = {"_": "messageMediaInvoice", "title": "T", "description": "D", "currency": "USD", "total_amount": 5}
    text = '{\n    "title": "T",\n    "description": "D",\n    "amount": 5,\n    "currency": "USD"\n   }'
    assert members(message(media=media))["invoice_information"] == text
    whole = members(message(media=media), account=True)["invoice_information"]
    assert whole == text.replace("\n ", "\n    ")
    action = service("RequestedPeer", button_id=1, peers=[peer(5), peer(-6), peer(CHAT)])
    assert members(action)["peers"] == f"[\n    5,\n    {(1 << 48) + 6},\n    {(2 << 48) + 42}\n   ]"


def test_escapes() -> None:
    text = 'a\b\f\n\r\t"\\/\x00\x1f\x7f\u2028\u2029é\\b'
    written = write(message(message=text))
    assert '"text": "a\\u0008\\u000c\\n\\r\\t\\"\\\\/\\u0000\\u001f\x7f\\u2028\\u2029é\\\\b",' in written
    assert json.loads(written)["text"] == text


@pytest.mark.parametrize(
    ("text", "entity", "expected"),
    [
        ("abc", (0, 1), [("bold", "a"), "bc"]),
        ("abc", (0, 3), [("bold", "abc")]),
        ("äbc", (0, 3), [("bold", "äbc"), ""]),  # ends in an entity, and is not ASCII
        ("äöü", (0, 5), [("bold", "äöü"), ""]),  # beyond the text, within its bytes
        ("äöü", (4, 2), ["äöü", ("bold", "")]),
        ("äöü", (0, 7), ["äöü"]),
        ("a👍b", (0, 2), [("bold", "a?"), "?b"]),  # half a pair
        ("a👍b", (1, 2), ["a", ("bold", "👍"), "b"]),
        ("abc", (0, 0), ["abc"]),
        ("abc", (1, -1), ["abc"]),
    ],
)
def test_where_an_entity_ends(text: str, entity: tuple[int, int], expected: list[Any]) -> None:
    entities = [{"_": "messageEntityBold", "offset": entity[0], "length": entity[1]}]
    found = members(message(message=text, entities=entities))
    parts = [(one["type"], one["text"]) if one["type"] != "plain" else one["text"] for one in found["text_entities"]]
    padded = expected if "👍" not in text or parts[-1] else [*expected, ""]
    assert parts == padded
    mixed = [one if isinstance(one, str) else (one["type"], one["text"]) for one in found["text"]]
    assert found["text"] == expected[0] if expected == [text] else mixed == padded


def test_an_entity_within_another_is_left_out() -> None:
    entities = [
        {"_": "messageEntityBold", "offset": 0, "length": 3},
        {"_": "messageEntityItalic", "offset": 1, "length": 1},
        {"_": "messageEntityTextUrl", "offset": 3, "length": 1, "url": "https://x"},
        {"_": "messageEntityPre", "offset": 4, "length": 1, "language": ""},
        {"_": "messageEntityBlockquote", "offset": 5, "length": 1},
        {"_": "messageEntityDiffInsert", "offset": 6, "length": 1},
    ]
    found = members(message(message="abcdefg", entities=entities))["text_entities"]
    assert found == [
        {"type": "bold", "text": "abc"},
        {"type": "text_link", "text": "d", "href": "https://x"},
        {"type": "pre", "text": "e", "language": ""},
        {"type": "blockquote", "text": "f", "collapsed": False},
        {"type": "unknown", "text": "g"},
    ]


def test_who_speaks() -> None:
    assert members(message(from_id=peer(4)))["from"] is None
    assert members(message(from_id=peer(99)))["from"] is None
    assert members(message(from_id=peer(3)))["from"] == "Only"
    own = message()
    del own["from_id"]
    found = members(own)
    assert (found["from"], found["from_id"]) == ("Group", "channel42")
    assert "via_bot" not in members(message(via_bot_id=3))
    assert members(message(via_bot_id=2))["via_bot"] == "@gamebot"


def test_replies_and_forwards() -> None:
    def reply(number: int, **fields: Any) -> Tl:
        return {"_": "messageReplyHeader", "reply_to_msg_id": number, **fields}

    found = members(message(reply_to=reply(5, reply_to_peer_id=peer(CHAT))))
    assert (found["reply_to_message_id"], found["reply_to_peer_id"]) == (5, "channel42")
    assert "reply_to_message_id" not in members(
        message(reply_to={"_": "messageReplyStoryHeader", "story_id": 1, "peer": peer(1)})
    )
    older = members(message(reply_to=reply(5)), older=True)
    assert (older["id"], older["reply_to_message_id"]) == (-999999993, -999999995)
    assert members(message(reply_to=reply(5, reply_to_peer_id=peer(-9))), older=True)["reply_to_message_id"] == 5
    pin = service("PinMessage", extra={"reply_to": reply(5, reply_to_peer_id=peer(CHAT))})
    assert members(pin)["message_id"] == 5
    assert "reply_to_peer_id" not in members(pin)
    assert members(pin, older=True)["message_id"] == -999999995
    forward = {"_": "messageFwdHeader", "date": 1, "from_id": peer(99), "saved_from_peer": peer(1)}
    found = members(message(fwd_from=forward))
    assert list(found)[6:9] == ["forwarded_from", "forwarded_from_id", "saved_from"]
    assert (found["forwarded_from"], found["forwarded_from_id"], found["saved_from"]) == (None, "user99", "Ann Lee")
    hidden = members(message(fwd_from={"_": "messageFwdHeader", "date": 1, "from_name": "Hidden"}))
    assert hidden["forwarded_from"] == "Hidden"
    assert "forwarded_from_id" not in hidden


def test_what_destroys_itself() -> None:
    document = {
        "_": "document",
        "id": 5,
        "size": 9,
        "mime_type": "video/mp4",
        "thumbs": [{"_": "photoSize", "type": "m", "w": 3, "h": 2, "size": 4}],
        "attributes": [{"_": "documentAttributeVideo", "duration": 1.9, "w": 30, "h": 20}],
    }
    media = {"_": "messageMediaDocument", "document": document, "ttl_seconds": 10}
    found = members(message(media=media))
    assert (found["file"], found["file_size"], found["thumbnail"], found["thumbnail_file_size"]) == (
        GONE_SENTENCE,
        0,
        GONE_SENTENCE,
        0,
    )
    assert (found["duration_seconds"], found["width"], found["self_destruct_period_seconds"]) == (1, 30, 10)
    mine = members(message(media=media, out=True))
    assert mine["file"] == GONE_SENTENCE
    assert (mine["thumbnail"].startswith("(File not included"), mine["thumbnail_file_size"]) == (True, 4)


def test_a_duration_that_is_no_number_is_none() -> None:
    attributes = [{"_": "documentAttributeVideo", "duration": "nan", "w": 30, "h": 20}]
    document = {"_": "document", "id": 5, "size": 9, "mime_type": "video/mp4", "attributes": attributes}
    found = members(message(message="seen", media={"_": "messageMediaDocument", "document": document}))
    assert (found["text"], found["width"]) == ("seen", 30)
    assert "duration_seconds" not in found


def test_kinds_of_chats() -> None:
    assert chat_type(
        {"_": "channel", "id": 1, "usernames": [{"username": "nft", "active": True}], "megagroup": True}
    ) == ("private_supergroup")
    assert chat_type({"_": "channel", "id": 1, "username": "a", "broadcast": True}) == "public_channel"
    assert chat_type({"_": "chat", "id": 1}) == "private_group"
    monoforum: Tl = {"_": "channel", "id": 1, "monoforum": True, "megagroup": True}
    assert chat_type(monoforum, {"username": "a"}) == "personal_chat"
    assert chat_type(monoforum, {"username": "a", "creator": True}) == "public_supergroup"
    assert chat_type(monoforum, {"admin_rights": {"manage_direct_messages": True}}) == "private_supergroup"
    assert [user_type(one) for one in (ANN, BOT, NFT, {"_": "user", "id": 1271266957}, {"_": "user", "id": 489000})] == [
        "personal_chat",
        "bot_chat",
        "personal_chat",
        "replies",
        "verification_codes",
    ]


def test_actions_that_nobody_knows_have_a_name() -> None:
    assert members(service("ChangeCommunity"))["action"] == "change_community"
    assert members(service("PaymentSentMe"))["action"] == "payment_sent_me"
    assert members(service("SetFutureTTLNow"))["action"] == "set_future_ttl_now"
    assert members(message(media={"_": "messageMediaOfTomorrow"})) == {"id": 7, "type": "unsupported"}
    assert members(message(media={"_": "messageMediaUnsupported"})) == {"id": 7, "type": "unsupported"}
    custom = members(service("CustomAction", message="said"))
    assert list(custom)[4:] == ["actor", "actor_id", "information_text", "text", "text_entities"]
    assert members(service("WebViewDataSent", text="Button"))["text"] == "Button"


def test_local_time() -> None:
    """Half an hour, summer and winter, the hour that comes twice."""
    assert members(message(date=1_700_000_000), zone="Asia/Kolkata")["date"] == "2023-11-15T03:43:20"
    assert members(message(date=1_689_000_000), zone="Europe/Berlin")["date"] == "2023-07-10T16:40:00"
    twice = [members(message(date=1_698_539_400 + 3600 * hour), zone="Europe/Berlin") for hour in (0, 1)]
    assert [one["date"] for one in twice] == ["2023-10-29T02:30:00"] * 2
    assert [one["date_unixtime"] for one in twice] == ["1698539400", "1698543000"]


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1999, "USD", "$19.99"),
        (1050, "EUR", "10,50 €"),
        (500, "XTR", "\u2b50500"),
        (123456, "USD", "$1,234.56"),
        (-199, "GBP", "\u2212£1.99"),
        (1500, "JPY", "¥1,500"),
        (100, "QQQ", "QQQ1.00"),
        (123456, "CHF", "1'234.56 CHF"),
        (100, "IRR", "1 IRR"),
        (150, "IRR", "1/50 IRR"),
        (1234567, "BHD", "BHD 1,234.567"),
    ],
)
def test_money(amount: int, currency: str, expected: str) -> None:
    assert money(amount, currency) == expected


def test_phone_numbers() -> None:
    numbers = {
        "447400000000": "+447400000000",
        "+1 202 555-0100": "+1 202 555 0100",
        "0301": "0301",
        "": "",
        "n/a": "n/a",
    }
    assert {number: phone_number(number) for number in numbers} == numbers


def test_names_of_files() -> None:
    names = {
        "a/b\\c:d": "a_b_c_d",
        "": "_",
        ".": "._",
        "..": ".._",
        "end ": "end _",
        "\u202egpj.exe": "_gpj.exe",
        "x\0y\n": "x_y_",
        "ä" * 150 + ".tar.gz": "ä" * 100 + ".gz",
        "n" * 300: "n" * 200,
        ".hidden": ".hidden",
        "n" * 300 + "." + "e" * 40: "n" * 200,
        "n" * 300 + "." + "e" * 30: "n" * 200 + "." + "e" * 30,
    }
    assert {name: file_name(name) for name in names} == names


def test_counters_and_taken_names() -> None:
    store = Nothing()
    places = Places(store, "", "")
    names = Names({1: shown(ANN)}.get)
    messages = Messages(CHAT, names, Clock(ZoneInfo("UTC")), Look())
    inline: Tl = {"_": "photoCachedSize", "type": "s", "w": 2, "h": 1, "bytes": "aGVsbG8="}
    photo: Tl = {"_": "messageMediaPhoto", "photo": {"_": "photo", "id": 1, "sizes": [inline]}}
    without = {
        "_": "messageMediaPhoto",
        "photo": {"_": "photo", "id": 2, "sizes": [{"_": "photoSize", "type": "x", "w": 1, "h": 1, "size": 3}]},
    }
    paid = {
        "_": "messageMediaPaidMedia",
        "stars_amount": 1,
        "extended_media": [{"_": "messageExtendedMedia", "media": without}],
    }
    thumbs = [inline | {"type": "m"}]
    files = [
        {
            "_": "messageMediaDocument",
            "document": {
                "_": "document",
                "id": number,
                "size": 1,
                "mime_type": "",
                "thumbs": thumbs,
                "attributes": [{"_": "documentAttributeFilename", "file_name": "a.tar.xz"}],
            },
        }
        for number in (10, 11)
    ]
    contact = {"_": "messageMediaContact", "first_name": "", "last_name": "", "phone_number": "", "vcard": "BEGIN"}
    written = [
        json.loads(places.fill(finish(messages.write(message(media=media)))))
        for media in (without, photo, paid, photo | {"photo": photo["photo"] | {"id": 3}}, photo, *files, contact)
    ]
    assert written[0]["photo"].startswith("(File not included")
    assert [one.get("photo") for one in written[1:5]] == [
        "photos/photo_2@14-11-2023_22-13-20.jpg",
        None,
        "photos/photo_4@14-11-2023_22-13-20.jpg",
        "photos/photo_2@14-11-2023_22-13-20.jpg",
    ]
    assert [one["thumbnail"] for one in written[5:7]] == ["files/a.tar.xz_thumb.jpg", "files/a (1).tar.xz_thumb.jpg"]
    assert (written[7]["contact_vcard"], written[7]["contact_vcard_file_size"]) == ("contacts/contact_1.vcard", 5)
    assert store.put["contacts/contact_1.vcard"] == b"BEGIN"
    assert store.put["photos/photo_2@14-11-2023_22-13-20.jpg"] == b"hello"


def test_extra_stands_behind_all_others() -> None:
    full = message(
        grouped_id=9,
        views=5,
        forwards=1,
        reply_to={
            "_": "messageReplyHeader",
            "reply_to_msg_id": 3,
            "reply_to_top_id": 2,
            "forum_topic": True,
            "quote_text": "so",
        },
        fwd_from={"_": "messageFwdHeader", "date": 5, "from_id": peer(CHAT), "channel_post": 8},
    )
    found = members(full, extra=True, forum=True)
    assert list(found)[:-1] == list(members(full))
    assert found["x"] == {
        "topic_id": 2,
        "grouped_id": 9,
        "views": 5,
        "forwards": 1,
        "reply": {"top_id": 2, "quote": "so"},
        "forward": {"date_unixtime": "5", "message_id": 8},
    }
    assert "x" not in members(message(), extra=True)
