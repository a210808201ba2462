"""The columns of the flat record: their order, names and types are part of the format (docs/render.md).

Columns that usually are all empty together make a group, so that a message costs what it has and not what it could have.
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a column holds. A row has int, float, bool, str, lists of str or int, or lists of dicts; None is null."""

    INT64 = "int64"
    INT32 = "int32"
    FLOAT64 = "float64"
    BOOL = "bool"
    STRING = "string"
    #: few different strings
    WORD = "word"
    #: Unix seconds
    TIME = "time"
    STRINGS = "strings"
    INTS = "ints"
    ENTITIES = "entities"
    REACTIONS = "reactions"
    OPTIONS = "options"
    BUTTONS = "buttons"


#: Members of the structs in a list: name -> kind.
STRUCTS: dict[Kind, dict[str, Kind]] = {
    Kind.ENTITIES: {"type": Kind.STRING, "offset": Kind.INT32, "length": Kind.INT32, "url": Kind.STRING,
                    "user_id": Kind.INT64, "document_id": Kind.INT64, "language": Kind.STRING},
    Kind.REACTIONS: {"reaction": Kind.STRING, "count": Kind.INT64, "chosen": Kind.BOOL},
    Kind.OPTIONS: {"text": Kind.STRING, "voters": Kind.INT64, "chosen": Kind.BOOL, "correct": Kind.BOOL},
    Kind.BUTTONS: {"row": Kind.INT32, "text": Kind.STRING, "url": Kind.STRING},
}
LISTS = frozenset({Kind.STRINGS, Kind.INTS, *STRUCTS})


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind
    null: bool


def _group(text: str) -> tuple[Column, ...]:
    """Columns as words "name:kind", with ? behind what may be null."""
    columns = []
    for word in text.split():
        name, _, kind = word.partition(":")
        columns.append(Column(name, Kind(kind.rstrip("?")), kind.endswith("?")))
    return tuple(columns)


#: In the order of flat.py's groups.
GROUPS: tuple[tuple[Column, ...], ...] = (
    _group("""chat_id:int64 message_id:int64 date:time edit_date:time? edit_hidden:bool type:word action:word?
              sender_id:int64? sender_name:string? sender_username:string? sender_type:word? out:bool post_author:string?
              text:string"""),
    _group("entities:entities links:strings mentions:strings hashtags:strings"),
    _group("reply_to_id:int64? reply_to_chat_id:int64? reply_quote:string? topic_id:int64?"),
    _group("""forward_from_id:int64? forward_from_name:string? forward_date:time? forward_message_id:int64?
              forward_author:string? forward_imported:bool saved_from_chat_id:int64? saved_from_message_id:int64?"""),
    _group("""via_bot_id:int64? grouped_id:int64? views:int64? forwards:int64? replies:int64? reactions_total:int64?
              reactions:reactions"""),
    _group("pinned:bool silent:bool noforwards:bool mentioned:bool restriction:strings ttl_period:int32?"),
    _group("""media_type:word? media_id:int64? media_path:string? media_sha256:string? file_name:string? mime_type:string?
              file_size:int64? width:int32? height:int32? duration:float64? media_spoiler:bool media_ttl:int32?
              performer:string? title:string? sticker_emoji:string? latitude:float64? longitude:float64? webpage_url:string?
              webpage_title:string? webpage_description:string? poll_question:string? poll_voters:int64?
              poll_options:options?"""),
    _group("buttons:buttons members:ints? url:string?"),
    _group("version:int32 deleted_at:time? first_seen:time?"),
)
COLUMNS: tuple[Column, ...] = tuple(column for group in GROUPS for column in group)

#: Of the table of peers.
PEER_COLUMNS = _group("""id:int64 type:word name:string? first_name:string? last_name:string? username:string?
    usernames:strings phone:string? is_bot:bool is_deleted:bool is_premium:bool is_verified:bool is_scam:bool is_fake:bool
    is_contact:bool photo_path:string?""")
#: Of the table of chats: chat.json, and in numbers what its lists say.
CHAT_COLUMNS = _group("""id:int64 type:word? title:string? username:string? usernames:strings account:int64? named:string?
    linked:int64? migrated_from:int64? migrated_from_max_id:int64? migrated_to:int64? state:word? reason:string? total:int64?
    messages:int64 services:int64 empty:int64 withheld:int64? surplus:int64? missing:string? quarantined:string?
    filtered:string? statement:string versions:int64 deleted:int64""")
