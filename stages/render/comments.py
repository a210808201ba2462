"""Comments on a channel's posts: messages of the group in which it is discussed, a chat of its own in archive and render."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.archive.lines import parse_lines, read_blocks
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.archive.thread import messages_by_post
from tgbulk.stages.render.half import chat_beside
from tgbulk.stages.render.plan import lines_digest
from tgbulk.stages.render.view import Filter


@dataclass(slots=True)
class Comments:
    """On one post, as far as they are rendered."""

    #: of the group: the post's automatic forward, or else the first comment
    first_id: int
    #: Unix seconds
    first_date: int
    count: int = 0


def discussion(snapshot: ChatSnapshot) -> ChatSnapshot | None:
    """The group in which a channel is discussed, where the archive has it and it can be read."""
    about = snapshot.about
    return chat_beside(snapshot.root, about.linked) if about.type == "channel" and about.linked is not None else None


def with_discussions(archive: Catalogue, chats: list[int]) -> list[int]:
    """These chats, and the groups in which those of them that are channels are discussed, where the archive has them."""
    known, found = set(archive.marked_ids()), set(chats)
    for chat in known & found:
        try:
            group = discussion(archive.chat(chat).snapshot)
        except TgbulkError:
            continue  # it fails by itself
        found |= known & {group.marked_id} if group is not None else set()
    return sorted(found)


def comments_by_post(channel: ChatSnapshot, wanted: Filter) -> dict[int, Comments]:
    """What of them the filter leaves; posts without any are not there. ChangedChatError, OSError."""
    group, found = discussion(channel), dict[int, Comments]()
    if group is None:
        return found
    messages = group.changes().forms(parse_lines(read_blocks(group.pieces)), "latest")
    for post, message, forward in messages_by_post(channel.marked_id, messages):
        if wanted.takes(message, False):
            known = found.setdefault(post, Comments(message["id"], message["date"]))
            known.count += not forward
    return {post: one for post, one in found.items() if one.count}


def lines_of(group: ChatSnapshot | None) -> Any:
    """JSON values that differ where a group's messages do."""
    return group and [group.marked_id, *lines_digest(group.row), group.row.change_bytes, group.row.change_crc]
