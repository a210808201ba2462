"""The member `rich_message`: a document of blocks in place of a text; docs/spec/telegram-desktop-json.md 6.1.

Tables of what each constructor has: (key, how it is written, field). The order is that of the file.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tgbulk.stages.render.desktop.layout import BOOL, MESSAGE, array_of, decimal, number, object_of, quote

Tl = dict[str, Any]
#: (value, level at which it closes) -> JSON
Writer = Callable[[Any, int], bytes]
#: (key, how it is written, field of the constructor)
Field = tuple[str, str, str]

_TEXT: Field = ("text", "text", "text")
_CAPTION: Field = ("caption", "caption", "caption")
#: Of a quote.
_SOURCE: Field = ("caption", "text", "caption")
#: Constructor -> type, members.
_TEXTS: dict[str, tuple[str, tuple[Field, ...]]] = {
    "textEmpty": ("empty", ()),
    "textPlain": ("plain", (("text", "string", "text"),)),
    "textConcat": ("concat", (("text", "texts", "texts"),)),
    "textBold": ("bold", (_TEXT,)),
    "textItalic": ("italic", (_TEXT,)),
    "textUnderline": ("underline", (_TEXT,)),
    "textStrike": ("strikethrough", (_TEXT,)),
    "textFixed": ("code", (_TEXT,)),
    "textSubscript": ("subscript", (_TEXT,)),
    "textSuperscript": ("superscript", (_TEXT,)),
    "textMarked": ("marked", (_TEXT,)),
    "textSpoiler": ("spoiler", (_TEXT,)),
    "textMention": ("mention", (_TEXT,)),
    "textHashtag": ("hashtag", (_TEXT,)),
    "textBotCommand": ("bot_command", (_TEXT,)),
    "textCashtag": ("cashtag", (_TEXT,)),
    "textAutoUrl": ("link", (_TEXT,)),
    "textAutoEmail": ("email", (_TEXT,)),
    "textAutoPhone": ("phone", (_TEXT,)),
    "textBankCard": ("bank_card", (_TEXT,)),
    "textUrl": ("text_link", (("href", "string", "url"), ("webpage_id", "id", "webpage_id"), _TEXT)),
    "textEmail": ("email", (("email", "string", "email"), _TEXT)),
    "textPhone": ("phone", (("phone", "string", "phone"), _TEXT)),
    "textAnchor": ("anchor", (("name", "string", "name"), _TEXT)),
    "textMath": ("math", (("source", "string", "source"),)),
    "textCustomEmoji": ("custom_emoji", (("text", "string", "alt"), ("document_id", "id", "document_id"))),
    "textMentionName": ("mention_name", (("user_id", "id", "user_id"), _TEXT)),
    "textDate": ("formatted_date", (
        _TEXT, ("date", "date", "date"), ("date_unixtime", "id", "date"), ("relative", "flag", "relative"),
        ("short_time", "flag", "short_time"), ("long_time", "flag", "long_time"), ("short_date", "flag", "short_date"),
        ("long_date", "flag", "long_date"), ("day_of_week", "flag", "day_of_week"),
    )),
    "textImage": ("inline_image", (
        ("document_id", "id", "document_id"), ("width", "number", "w"), ("height", "number", "h"),
    )),
    "textDiff": ("diff", (_TEXT, ("old_text", "text", "old_text"))),
    "textButton": ("button", (_TEXT,)),
}
_BLOCKS: dict[str, tuple[str, tuple[Field, ...]]] = {
    **{name: ("heading", (("level", f"={level}", ""), _TEXT)) for name, level in (
        ("pageBlockTitle", 1), ("pageBlockSubtitle", 2), ("pageBlockHeader", 1), ("pageBlockSubheader", 2),
        ("pageBlockKicker", 3), *((f"pageBlockHeading{level}", level) for level in range(1, 7)),
    )},
    "pageBlockParagraph": ("paragraph", (_TEXT,)),
    "pageBlockFooter": ("footer", (_TEXT,)),
    "pageBlockThinking": ("thinking", (_TEXT,)),
    "pageBlockAuthorDate": ("author_date", (
        ("author", "text", "author"), ("date", "date", "published_date"), ("date_unixtime", "id", "published_date"),
    )),
    "pageBlockPreformatted": ("code", (_TEXT, ("language", "string", "language"))),
    "pageBlockDivider": ("divider", ()),
    "pageBlockAnchor": ("anchor", (("name", "string", "name"),)),
    "pageBlockList": ("list", (("kind", '="bullet"', ""), ("items", "items", "items"))),
    "pageBlockOrderedList": ("list", (
        ("kind", '="ordered"', ""), ("reversed", "flag", "reversed"), ("start", "number", "start"),
        ("list_type", "string", "type"), ("items", "items", "items"),
    )),
    "pageBlockBlockquote": ("quote", (("content", '="text"', ""), ("pullquote", "=false", ""), _TEXT, _SOURCE)),
    "pageBlockPullquote": ("quote", (("content", '="text"', ""), ("pullquote", "=true", ""), _TEXT, _SOURCE)),
    "pageBlockBlockquoteBlocks": ("quote", (
        ("content", '="blocks"', ""), ("pullquote", "=false", ""), ("blocks", "blocks", "blocks"), _SOURCE,
    )),
    "pageBlockPhoto": ("photo", (
        ("photo_id", "id", "photo_id"), ("spoiler", "flag", "spoiler"), ("url", "string", "url"),
        ("webpage_id", "id", "webpage_id"), _CAPTION,
    )),
    "pageBlockVideo": ("video", (
        ("document_id", "id", "video_id"), ("autoplay", "flag", "autoplay"), ("loop", "flag", "loop"),
        ("spoiler", "flag", "spoiler"), _CAPTION,
    )),
    "pageBlockAudio": ("audio", (("document_id", "id", "audio_id"), _CAPTION)),
    "pageBlockDocument": ("file", (("document_id", "id", "document_id"), _CAPTION)),
    "pageBlockCover": ("cover", (("block", "block", "cover"),)),
    "pageBlockEmbed": ("embed", (
        ("url", "string", "url"), ("html", "string", "html"), ("poster_photo_id", "id", "poster_photo_id"),
        ("width", "number", "w"), ("height", "number", "h"), ("full_width", "flag", "full_width"),
        ("allow_scrolling", "flag", "allow_scrolling"), _CAPTION,
    )),
    "pageBlockEmbedPost": ("embed_post", (
        ("url", "string", "url"), ("webpage_id", "id", "webpage_id"), ("author_photo_id", "id", "author_photo_id"),
        ("author", "string", "author"), ("date", "date", "date"), ("date_unixtime", "id", "date"),
        ("blocks", "blocks", "blocks"), _CAPTION,
    )),
    "pageBlockCollage": ("collage", (("items", "blocks", "items"), _CAPTION)),
    "pageBlockSlideshow": ("slideshow", (("items", "blocks", "items"), _CAPTION)),
    "pageBlockChannel": ("channel", (("channel", "channel", "channel"),)),
    "pageBlockMath": ("math", (("formula", "string", "source"),)),
    "pageBlockTable": ("table", (
        ("title", "text", "title"), ("bordered", "flag", "bordered"), ("striped", "flag", "striped"),
        ("compact", "flag", "compact"), ("rows", "rows", "rows"),
    )),
    "pageBlockDetails": ("details", (("title", "text", "title"), ("open", "flag", "open"), ("blocks", "blocks", "blocks"))),
    "pageBlockRelatedArticles": ("related_articles", (("title", "text", "title"), ("articles", "articles", "articles"))),
    "pageBlockMap": ("map", (
        ("geo", "geo", "geo"), ("zoom", "number", "zoom"), ("width", "number", "w"), ("height", "number", "h"), _CAPTION,
    )),
    "pageBlockButtonRow": ("button_row", ()),
}
_ARTICLE: tuple[Field, ...] = (
    ("url", "string", "url"), ("webpage_id", "id", "webpage_id"), ("title", "string", "title"),
    ("description", "string", "description"), ("photo_id", "id", "photo_id"), ("author", "string", "author"),
    ("published_date", "date", "published_date"), ("published_date_unixtime", "id", "published_date"),
)
_ITEM: tuple[Field, ...] = (("num", "string", "num"), ("value", "number", "value"), ("item_type", "string", "type"))
_CHANNEL: tuple[Field, ...] = (
    ("id", "id", "id"), ("title", "string", "title"), ("username", "string", "username"), ("broadcast", "flag", "broadcast"),
    ("megagroup", "flag", "megagroup"),
)


def rich_message(message: Tl, date: Callable[[int], bytes]) -> bytes:
    """The value for a richMessage."""
    return _Rich(date).message(message)


class _Rich:
    def __init__(self, date: Callable[[int], bytes]) -> None:
        self._date = date
        self._writers: dict[str, Writer] = {
            "string": lambda value, _: quote(value),
            "number": lambda value, _: number(value),
            "id": lambda value, _: b'"%d"' % value,
            "date": lambda value, _: date(value),
            "text": self._text,
            "texts": lambda value, level: self._list(value, level, self._text),
            "block": self._block,
            "blocks": lambda value, level: self._list(value, level, self._block),
            "caption": self._caption,
            "items": lambda value, level: self._list(value, level, self._item),
            "rows": lambda value, level: self._list(value, level, self._row),
            "articles": lambda value, level: self._list(
                value, level, lambda one, inner: object_of(self._members(_ARTICLE, one, inner), inner)
            ),
            "channel": lambda value, level: object_of(self._members(_CHANNEL, value, level), level),
            "geo": self._geo,
        }

    def message(self, message: Tl) -> bytes:
        return object_of((
            (b"rtl", BOOL["rtl" in message]),
            (b"part", BOOL["part" in message]),
            (b"blocks", self._list(message["blocks"], MESSAGE + 1, self._block)),
        ), MESSAGE)

    def _members(self, fields: tuple[Field, ...], value: Tl, level: int) -> Iterator[tuple[bytes, bytes]]:
        """Of an object that closes at this level."""
        for key, how, field in fields:
            if how[0] == "=":
                yield key.encode(), how[1:].encode()
            elif how == "flag":
                yield key.encode(), BOOL[field in value]
            elif field in value:
                yield key.encode(), self._writers[how](value[field], level + 1)

    @staticmethod
    def _list(values: list[Tl], level: int, write: Writer) -> bytes:
        return array_of([write(one, level + 1) for one in values], level) if values else b"[]"

    def _text(self, text: Tl, level: int) -> bytes:
        kind, fields = _TEXTS.get(text["_"], ("plain", ()))
        return object_of(((b"type", quote(kind)), *self._members(fields, text, level)), level)

    def _block(self, block: Tl, level: int) -> bytes:
        kind, fields = _BLOCKS.get(block["_"], ("unsupported", ()))
        return object_of(((b"type", quote(kind)), *self._members(fields, block, level)), level)

    def _caption(self, caption: Tl, level: int) -> bytes:
        fields: tuple[Field, ...] = (_TEXT, ("credit", "text", "credit"))
        return object_of(self._members(fields, caption, level), level)

    def _item(self, item: Tl, level: int) -> bytes:
        state = b'"checked"' if "checked" in item else b'"unchecked"' if "checkbox" in item else b'"none"'
        blocks = "blocks" in item
        content: Field = ("blocks", "blocks", "blocks") if blocks else _TEXT
        return object_of((
            (b"task_state", state),
            (b"content", b'"blocks"' if blocks else b'"text"'),
            *self._members((content, *_ITEM), item, level),
        ), level)

    def _row(self, row: Tl, level: int) -> bytes:
        return object_of(((b"cells", self._list(row["cells"], level + 1, self._cell)),), level)

    def _cell(self, cell: Tl, level: int) -> bytes:
        across = "center" if "align_center" in cell else "right" if "align_right" in cell else "left"
        down = "middle" if "valign_middle" in cell else "bottom" if "valign_bottom" in cell else "top"
        fields: tuple[Field, ...] = (
            _TEXT, ("colspan", "number", "colspan"), ("rowspan", "number", "rowspan"), ("header", "flag", "header"),
            ("align", f'="{across}"', ""), ("vertical_align", f'="{down}"', ""),
        )
        return object_of(self._members(fields, cell, level), level)

    def _geo(self, geo: Tl, level: int) -> bytes:
        if geo["_"] != "geoPoint":
            return object_of(((b"source_type", b'"geo_point_empty"'),), level)
        return object_of((
            (b"source_type", b'"geo_point"'),
            (b"latitude", decimal(float(geo["lat"]))),
            (b"longitude", decimal(float(geo["long"]))),
        ), level)
