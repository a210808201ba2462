"""What of a message is its content: two forms of it that differ in nothing else are one version."""
from __future__ import annotations

from typing import Any

#: Fields of a message that change without anybody changing the message, or differ from account to account.
RESTLESS = frozenset({
    "views", "forwards", "replies", "reactions", "reactions_are_possible", "media_unread", "mentioned", "out", "pinned",
    "edit_date", "edit_hide", "from_boosts_applied", "from_rank", "restriction_reason", "noforwards",
    "video_processing_pending", "report_delivery_until_date",
})
#: The same at any depth: counts, and what only the account that asked can use, or has paid for.
_RESTLESS_WITHIN = frozenset({"access_hash", "results", "extended_media"})
#: A preview comes when Telegram has made it, and is made again: only which it is belongs to the message.
_PREVIEWS = ("webPage", "webPagePending", "webPageEmpty", "webPageNotModified")


def content(message: dict[str, Any]) -> dict[str, Any]:
    """A message without what is not its content."""
    return {name: _within(value) for name, value in message.items() if name not in RESTLESS}


def edited_at(message: dict[str, Any]) -> int:
    """Unix seconds of its last edit, 0 where there was none."""
    return int(message.get("edit_date", 0))


def _within(value: Any) -> Any:
    if isinstance(value, list):
        return [_within(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("_") in _PREVIEWS:
        return value.get("id")
    return {name: _within(one) for name, one in value.items() if name not in _RESTLESS_WITHIN}
