"""render.json: what went into a render, so that the next one does only what changed."""
from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tgbulk.engine import document
from tgbulk.engine.durable import write_whole
from tgbulk.engine.error import NewerFormatError, StorageError, file_error
from tgbulk.stages.render.format import PartDone
from tgbulk.stages.render.output import STATE

#: Of render.json.
FORMAT = 1


@dataclass(slots=True)
class ChatState:
    """What one chat was rendered from, and what came of it."""

    context: Any
    #: bytes and CRC-32 of messages and of peers.jsonl
    messages: list[int]
    peers: list[int]
    parts: list[PartDone] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    #: bytes and CRC-32 of changes.jsonl
    changes: list[int] = field(default_factory=lambda: [0, 0])
    #: the archive that has it, where several are rendered
    archive: str | None = None

    def document(self) -> dict[str, Any]:
        values = asdict(self)
        for part in values["parts"]:
            del part["fresh"]
        return values


@dataclass(slots=True)
class RenderState:
    """Of one folder."""

    #: name, version, filter and options of the format: other ones mean another render
    made: dict[str, Any] = field(default_factory=dict)
    chats: dict[int, ChatState] = field(default_factory=dict)
    #: files that belong to no chat, with their bytes; None: a render did not come to its end
    files: dict[str, int] | None = None
    #: CRC-32 of what the tables were made from
    tables: int = 0
    #: names of files that may be there beside those
    names: set[str] = field(default_factory=set)
    #: marked ids of the chats that were asked for
    selected: set[int] = field(default_factory=set)

    def all_names(self) -> set[str]:
        return self.names | set(self.files or {}) | {name for one in self.chats.values() for name in one.files}

    def save(self, folder: Path) -> None:
        """Durably. OSError."""
        chats = {str(chat): one.document() for chat, one in sorted(self.chats.items())}
        values = {"format": FORMAT, "made": self.made, "selected": sorted(self.selected), "files": self.files,
                  "tables": self.tables, "names": sorted(self.all_names()), "chats": chats}
        write_whole(folder / STATE, document.dump(values))


def load_state(folder: Path) -> RenderState:
    """An empty one where there is none. StorageError, NewerFormatError."""
    path = folder / STATE
    try:
        values = document.load(path)
        if values["format"] > FORMAT:
            raise NewerFormatError(path, values["format"], FORMAT)
        chats = {
            int(chat): ChatState(**_known(ChatState, one) | {"parts": [PartDone(**_known(PartDone, part))
                                                                       for part in one["parts"]]})
            for chat, one in values["chats"].items()
        }
        return RenderState(values["made"], chats, values["files"], values["tables"], set(values["names"]),
                           set(values["selected"]))
    except FileNotFoundError:
        return RenderState()
    except OSError as error:
        raise file_error(error, path) from error
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(path, "it cannot be read; remove it and the render beside it") from error


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Without what another version wrote beside it."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
