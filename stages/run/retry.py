"""What `tgbulk export --retry-failed` exports."""
from __future__ import annotations

from collections.abc import Mapping

from tgbulk.stages.archive.about import name_of
from tgbulk.stages.archive.annex import open_annexes
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.request import left_of_requests
from tgbulk.stages.archive.row import COMPLETE, ChatRow
from tgbulk.stages.archive.summary import last_run


def retry_names(archive: Archive, chats: Mapping[int, ChatRow]) -> list[str]:
    """Chats that the journal has as failed or not ended or whose folder is gone, those with annexes that are not whole,
    those that runs were cut short before, and those that the last run did not find.

    Each under the name that it was asked for. chats: the journal's last word on each.
    """
    left = [one for one in sorted(chats) if chats[one].state != COMPLETE or not archive.chat(one).exists()
            or open_annexes(archive.chat(one))]
    names = [name_of(archive, marked_id) for marked_id in left]
    for asked in left_of_requests(archive, chats).values():
        names += asked
    last = last_run(archive)
    names += [chat.name for chat in last.failed if not chat.marked_id] if last else []
    return list(dict.fromkeys(names))
