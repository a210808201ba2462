"""runs/<run id>/request.json: the names that a run was asked for, until it, or a later run, has come to the end of them."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import document
from engine.document import DamagedDocumentError
from engine.durable import make_folder, write_whole
from engine.error import StorageError
from stages.verify.state import read_about, read_state
from stages.write.archive import Archive
from stages.write.chat import Progress


@dataclass(frozen=True, slots=True)
class Request:
    """Of a run that is going on or was cut short."""

    path: Path
    names: list[str]
    #: Unix nanoseconds, by the clock that the files of chats have too
    made: int


def keep_request(folder: Path, names: Sequence[str]) -> None:
    """Write request.json into the run's folder, durably. StorageError."""
    try:
        make_folder(folder)
        write_whole(folder / "request.json", document.dump({"names": names}))
    except OSError as error:
        raise StorageError(error.filename or folder, error.strerror) from error


def left_of_requests(archive: Archive, chats: Mapping[int, Progress]) -> dict[Path, list[str]]:
    """By request, the oldest first: the names whose chats have not become complete since. chats: the journal's last word."""
    requests = _requests(archive)
    ended: dict[str, int] = {}
    if requests:
        for marked_id in chats:
            name = str(read_about(archive, marked_id).get("named", ""))
            ended[name] = max(ended.get(name, 0), _ended(archive, chats, marked_id))
    return {one.path: [name for name in one.names if ended.get(name, 0) < one.made] for one in requests}


def settle(archive: Archive, names: Sequence[str]) -> None:
    """A run has come to the end of these names: remove the requests that have no others left."""
    answered = set(names)
    asked = {one.path: one.names for one in _requests(archive)}
    if not all(answered.issuperset(one) for one in asked.values()):
        asked = left_of_requests(archive, read_state(archive).chats)
    for path, left in asked.items():
        if answered.issuperset(left):
            path.unlink(missing_ok=True)


def _requests(archive: Archive) -> list[Request]:
    found = []
    for path in sorted(archive.runs.glob("*/request.json")):
        try:
            found.append(Request(path, document.load(path)["names"], path.stat().st_mtime_ns))
        except (DamagedDocumentError, OSError):
            continue  # verify tells of damage
    return found


def _ended(archive: Archive, chats: Mapping[int, Progress], marked_id: int) -> int:
    """When the chat became complete, the older half of it too: chat.json is written then. 0 where it is not complete."""
    about = read_about(archive, marked_id)
    if marked_id not in chats or (chats[marked_id].state, about.get("state")) != ("complete", "complete"):
        return 0
    at = (archive.chat(marked_id) / "chat.json").stat().st_mtime_ns
    return min(at, _ended(archive, chats, about["migrated_from"])) if "migrated_from" in about else at
