"""What `tgbulk export --retry-failed` exports, and the names under which chats are found again."""
from __future__ import annotations

from stages.verify.state import last_summary, read_about, read_state
from stages.write.archive import Archive


def retry_names(archive: Archive) -> list[str]:
    """Chats that the journal has as failed or not ended or whose folder is gone, and those that the last run did not find.

    Each under the name that it was asked for; DamagedJournalError, OSError.
    """
    chats = read_state(archive).chats
    left = [one for one in sorted(chats) if chats[one].state != "complete" or not archive.chat(one).is_dir()]
    names = [name_of(archive, marked_id) for marked_id in left]
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
