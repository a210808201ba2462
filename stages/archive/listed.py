"""listed.json: where the account's list had the chats of an archive, in which folders and whether in Telegram's archive.
Only exports that asked for that list know it."""
from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from tgbulk.engine import document
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.durable import write_whole
from tgbulk.engine.error import file_error
from tgbulk.stages.archive.folder import Archive


@dataclass(frozen=True, slots=True)
class ListedChat:
    """Of one chat."""

    #: in Telegram's archive
    archived: bool
    #: titles of the account's folders that show it
    folders: list[str]

    @classmethod
    def of(cls, found: Any) -> ListedChat:
        """TypeError, KeyError for what is none."""
        if not (isinstance(found["archived"], bool) and all(isinstance(one, str) for one in found["folders"])):
            raise TypeError
        return cls(found["archived"], list(found["folders"]))


def read_listed(archive: Archive) -> dict[int, ListedChat]:
    """By marked id; nothing where the file is not there or not what was written."""
    found: dict[int, ListedChat] = {}
    with suppress(DamagedDocumentError, OSError, KeyError, AttributeError):
        for marked_id, chat in document.load(archive.listed)["chats"].items():
            with suppress(TypeError, KeyError, ValueError):
                found[int(marked_id)] = ListedChat.of(chat)
    return found


def keep_listed(archive: Archive, chats: Mapping[int, ListedChat]) -> None:
    """Take these in, durably; others stay as they were. StorageError."""
    known = read_listed(archive)
    if known | dict(chats) == known:
        return
    made = {str(marked_id): asdict(chat) for marked_id, chat in sorted((known | dict(chats)).items())}
    try:
        write_whole(archive.listed, document.dump({"chats": made}))
    except OSError as error:
        raise file_error(error, error.filename or archive.root) from error
