"""Which messages of a discussion group are comments on which post of its channel (docs/spec/history-fetching.md 3)."""
from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tgbulk.stages.telegram.peer import marked


class Threads:
    """Of one channel, from the messages of its group, ascending by id. Holds numbers alone."""

    def __init__(self, channel: int, messages: Iterable[dict[str, Any]]) -> None:
        """channel: marked id."""
        #: post -> ids of its comments
        self._comments: dict[int, array[int]] = {}
        for post, message, forward in messages_by_post(channel, messages):
            if not forward:
                self._comments.setdefault(post, array("q")).append(message["id"])

    def comments(self, post: int) -> Sequence[int]:
        """Ids in the group, ascending."""
        return self._comments.get(post, ())

    def __len__(self) -> int:
        """Posts that have comments."""
        return len(self._comments)


def messages_by_post(channel: int, messages: Iterable[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any], bool]]:
    """(post, message, whether it is the post's automatic forward): of the group's messages those that belong to a post."""
    posts: dict[int, int] = {}
    for message in messages:
        post = forwarded_post(message, channel)
        if post is not None:
            posts[message["id"]] = post
            yield post, message, True
        elif (root := thread_root(message)) in posts:
            yield posts[root], message, False


def forwarded_post(message: dict[str, Any], channel: int) -> int | None:
    """The post that this message of the group is the automatic forward of; None for every other message."""
    header = message.get("fwd_from") or {}
    source = header.get("saved_from_peer")
    if source is None or "saved_from_msg_id" not in header or marked(source) != channel:
        return None
    return int(header["saved_from_msg_id"])


def thread_root(message: dict[str, Any]) -> int:
    """The first message of the thread that this one belongs to, 0 for none."""
    reply = message.get("reply_to") or {}
    return int(reply.get("reply_to_top_id") or reply.get("reply_to_msg_id") or 0)
