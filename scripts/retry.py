"""What `tgbulk export --retry-failed` exports."""
from __future__ import annotations

from stages.verify.state import last_summary, read_about, read_state
from stages.write.archive import Archive


def retry_names(archive: Archive) -> list[str]:
    """The chats that the journal has as failed or not ended, and those that the last run could not even find.

    Each under the name that it was asked for; DamagedJournalError, OSError.
    """
    names = []
    for marked_id, progress in sorted(read_state(archive).chats.items()):
        if progress.state != "complete":
            about = read_about(archive, marked_id)
            if "migrated_to" in about:
                # The older half has no name of its own.
                marked_id = about["migrated_to"]
                about = read_about(archive, marked_id)
            names.append(about.get("named") or str(marked_id))
    last = last_summary(archive)
    names += [failure["name"] for failure in last["failed"] if not failure["marked_id"]] if last else []
    return list(dict.fromkeys(names))
