"""What a run was asked for. runs/<run id>/request.json: names, until it, or a later run, has come to the end of them;
runs/<run id>/options.json: the options that were given, for a run that repeats it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tgbulk.engine import document
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.durable import make_folder, write_whole
from tgbulk.engine.error import file_error
from tgbulk.stages.archive.about import read_about
from tgbulk.stages.archive.folder import Archive, RunFolder
from tgbulk.stages.archive.row import COMPLETE, ChatRow, read_journal


@dataclass(frozen=True, slots=True)
class Request:
    """Of a run that is going on or was cut short."""

    run: RunFolder
    names: list[str]
    #: Unix nanoseconds, by the clock that the files of chats have too
    made: int


def keep_request(run: RunFolder, names: Sequence[str]) -> None:
    """Write request.json into the run's folder, durably. StorageError."""
    try:
        make_folder(run.path)
        write_whole(run.request, document.dump({"names": names}))
    except OSError as error:
        raise file_error(error, error.filename or run.path) from error


def keep_options(run: RunFolder, options: Mapping[str, Any]) -> None:
    """Write options.json into the run's folder, durably; options: name -> text, texts, or on and off. StorageError."""
    try:
        make_folder(run.path)
        write_whole(run.options, document.dump({"options": dict(options)}))
    except OSError as error:
        raise file_error(error, error.filename or run.path) from error


def last_options(archive: Archive) -> dict[str, Any] | None:
    """The options of the newest run that kept them; None where no run did."""
    for run in reversed(archive.runs()):
        try:
            found = document.load(run.options)["options"]
        except (DamagedDocumentError, OSError, KeyError):
            continue
        if isinstance(found, dict) and all(map(_is_option, found.values())):
            return found
    return None


def _is_option(value: object) -> bool:
    return isinstance(value, str | bool) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def left_of_requests(archive: Archive, chats: Mapping[int, ChatRow]) -> dict[RunFolder, list[str]]:
    """By run, the oldest first: the names whose chats have not become complete since. chats: the journal's last word."""
    requests = _requests(archive)
    ended: dict[str, int] = {}
    if requests:
        for marked_id in chats:
            name = read_about(archive, marked_id).named or ""
            ended[name] = max(ended.get(name, 0), _ended(archive, chats, marked_id))
    return {one.run: [name for name in one.names if ended.get(name, 0) < one.made] for one in requests}


def settle(archive: Archive, names: Sequence[str]) -> None:
    """A run has come to the end of these names: remove the requests that have no others left."""
    answered = set(names)
    asked = {one.run: one.names for one in _requests(archive)}
    if not all(answered.issuperset(one) for one in asked.values()):
        asked = left_of_requests(archive, read_journal(archive).chats)
    for run, left in asked.items():
        if answered.issuperset(left):
            run.request.unlink(missing_ok=True)


def _requests(archive: Archive) -> list[Request]:
    found = []
    for run in archive.runs():
        try:
            found.append(Request(run, document.load(run.request)["names"], run.request.stat().st_mtime_ns))
        except (DamagedDocumentError, OSError):
            continue  # verify tells of damage
    return found


def _ended(archive: Archive, chats: Mapping[int, ChatRow], marked_id: int) -> int:
    """When the chat became complete, the older half of it too: chat.json is written then. 0 where it is not complete."""
    about = read_about(archive, marked_id)
    if marked_id not in chats or (chats[marked_id].state, about.state) != (COMPLETE, COMPLETE):
        return 0
    at = archive.chat(marked_id).about.stat().st_mtime_ns
    return at if about.migrated_from is None else min(at, _ended(archive, chats, about.migrated_from))
