"""What `tgbulk export --retry-failed` exports, and the names under which chats are found again."""
from __future__ import annotations

from collections.abc import Mapping

from scripts.request import left_of_requests
from stages.verify.state import last_summary, read_about
from stages.write.archive import Archive
from stages.write.chat import Progress


def retry_names(archive: Archive, chats: Mapping[int, Progress]) -> list[str]:
    """Chats that the journal has as failed or not ended or whose folder is gone, those that runs were cut short before, and
    those that the last run did not find.

    Each under the name that it was asked for. chats: the journal's last word on each.
    """
    left = [one for one in sorted(chats) if chats[one].state != "complete" or not archive.chat(one).is_dir()]
    names = [name_of(archive, marked_id) for marked_id in left]
    for asked in left_of_requests(archive, chats).values():
        names += asked
    last = last_summary(archive)
    names += [failure["name"] for failure in last["failed"] if not failure["marked_id"]] if last else []
    return list(dict.fromkeys(names))


def name_of(archive: Archive, marked_id: int) -> str:
    """The name that a chat was asked for, its marked id where that is lost."""
    about = read_about(archive, marked_id)
    if "migrated_to" in about:
        # The older half has no name of its own.
        marked_id = about["migrated_to"]
        about = read_about(archive, marked_id)
    return str(about.get("named") or marked_id)
