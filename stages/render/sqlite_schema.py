"""The tables of a rendered database (docs/render.md); its version is the database's user_version."""
from __future__ import annotations

from tgbulk.stages.render.column import CHAT_COLUMNS, LISTS, PEER_COLUMNS, Column, Kind

VERSION = 1
#: "TGbk": what file(1) may call it by.
APPLICATION = 0x5447626B
#: A message's number: its id, and the place of its chat among those of the file in the bits above. So it stays the same when
#: other messages come.
CHAT_SHIFT = 32
#: --fts -> the tokenizer
TOKENIZERS = {"unicode61": "unicode61 remove_diacritics 2", "trigram": "trigram"}
#: What is searched.
SEARCHED = ("text", "file_name", "poll_question")
#: Table of media -> the column of messages.
MEDIA = {"id": "media_id", "kind": "iif(media_type = 'photo', 'photo', 'document')", "path": "media_path",
         "sha256": "media_sha256", "file_name": "file_name", "mime_type": "mime_type", "file_size": "file_size",
         "width": "width", "height": "height", "duration": "duration", "performer": "performer", "title": "title",
         "sticker_emoji": "sticker_emoji"}
#: Columns of messages that the view has, where they are chosen.
_SHOWN = (
    "date", "sender_id", "type", "action", "text", "reply_to_id", "topic_id", "forward_from_id", "forward_from_name",
    "forward_date", "edit_date", "views", "reactions_total", "media_type", "media_path", "file_name", "url",
    "deleted_at",
)

_TYPES = {Kind.FLOAT64: "REAL", Kind.STRING: "TEXT", Kind.WORD: "TEXT", **dict.fromkeys(LISTS, "TEXT")}


def tables(columns: tuple[Column, ...]) -> list[str]:
    """Statements before rows come. columns: those of the table of messages, chat_id and message_id among them."""
    names = {one.name for one in columns}
    keyed = [_declared(one, " REFERENCES chat (id)" if one.name == "chat_id" else "") for one in columns]
    made = [
        f"CREATE TABLE chat ({', '.join(_key(CHAT_COLUMNS))}) STRICT",
        f"CREATE TABLE peer ({', '.join(_key(PEER_COLUMNS))}) STRICT",
        f"CREATE TABLE message (number INTEGER PRIMARY KEY, {', '.join(keyed)}, UNIQUE (chat_id, message_id)) STRICT",
    ]
    if "entities" in names:
        made.append(
            "CREATE TABLE entity (message INTEGER NOT NULL REFERENCES message (number), position INTEGER NOT NULL,"
            " type TEXT NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, value TEXT,"
            " PRIMARY KEY (message, position)) STRICT, WITHOUT ROWID"
        )
    if "reactions" in names:
        made.append(
            "CREATE TABLE reaction (message INTEGER NOT NULL REFERENCES message (number), reaction TEXT NOT NULL,"
            " count INTEGER NOT NULL, chosen INTEGER NOT NULL, PRIMARY KEY (message, reaction)) STRICT, WITHOUT ROWID"
        )
    return made


def afterwards(columns: tuple[Column, ...], fts: str) -> list[str]:
    """Statements when all rows are there: media, indexes, the search, the view."""
    names = {one.name for one in columns}
    made = []
    if names.issuperset(set(MEDIA.values()) - {MEDIA["kind"]} | {"media_type"}):
        made += [
            "CREATE TABLE media (id INTEGER NOT NULL, kind TEXT NOT NULL, path TEXT, sha256 TEXT, file_name TEXT,"
            " mime_type TEXT, file_size INTEGER, width INTEGER, height INTEGER, duration REAL, performer TEXT, title TEXT,"
            " sticker_emoji TEXT, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID",
            f"INSERT OR IGNORE INTO media SELECT {', '.join(MEDIA.values())} FROM message WHERE media_id IS NOT NULL"
            " ORDER BY number",
        ]
    for name, key, condition in (
        ("date", "chat_id, date", ""), ("sender", "sender_id, date", ""),
        *((name, f"chat_id, {name}", f" WHERE {name} IS NOT NULL") for name in ("topic_id", "reply_to_id", "grouped_id")),
    ):
        if names.issuperset(key.split(", ")):
            made.append(f"CREATE INDEX message_{name.removesuffix('_id')} ON message ({key}){condition}")
    if searched := [name for name in SEARCHED if name in names]:
        # Datasette looks for the content's name in double quotes.
        made.append(
            f"CREATE VIRTUAL TABLE message_text USING fts5 ({', '.join(searched)}, content=\"message\","
            f" content_rowid='number', tokenize=\"{TOKENIZERS[fts]}\")"
        )
        made.append("INSERT INTO message_text (message_text) VALUES ('rebuild')")
    made.append(_view(names))
    return made


def _view(names: set[str]) -> str:
    shown = ["m.number", "c.title AS chat", "m.chat_id", "m.message_id"]
    texts = {"date", "edit_date", "forward_date", "deleted_at", "first_seen"}
    joins = " LEFT JOIN peer AS s ON s.id = m.sender_id" if "sender_id" in names else ""
    for name in _SHOWN:
        if name not in names:
            continue
        if name in texts:
            shown.append(f"strftime('%Y-%m-%dT%H:%M:%SZ', m.{name}, 'unixepoch') AS {name}")
        else:
            shown.append(f"m.{name}")
        if name == "sender_id":
            shown.append("coalesce(m.sender_name, s.name) AS sender" if "sender_name" in names else "s.name AS sender")
    chosen = f"SELECT {', '.join(shown)} FROM message AS m JOIN chat AS c ON c.id = m.chat_id{joins}"
    return f"CREATE VIEW message_named AS {chosen}"


def _declared(column: Column, more: str = "") -> str:
    return f"{column.name} {_TYPES.get(column.kind, 'INTEGER')}{'' if column.null else ' NOT NULL'}{more}"


def _key(columns: tuple[Column, ...]) -> list[str]:
    """The first column is the key."""
    return [f"{columns[0].name} INTEGER PRIMARY KEY", *map(_declared, columns[1:])]
