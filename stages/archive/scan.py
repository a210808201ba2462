"""The media of messages that came before anybody wanted media: read from the chat's own lines."""
from __future__ import annotations

from collections.abc import Generator
from itertools import islice

import orjson

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.folder import ChatFolder
from tgbulk.stages.archive.id_range import IdRange, contains
from tgbulk.stages.telegram.media import find, pictures
from tgbulk.stages.telegram.medium import FoundMedia

#: Lines read at a time; the write process has other things to do as well.
LINES = 4000

def _lines(path: Place) -> Generator[bytes, None, None]:
    with path.reader() as file:
        yield from file


class Scan:
    """Goes through one chat, whose files do not change any more in this run."""

    def __init__(self, folder: ChatFolder, chat: int, wanted: list[IdRange]) -> None:
        self.chat = chat
        self.wanted = wanted
        self._peers = _lines(folder.peers)
        self._messages = _lines(folder.messages)

    def step(self) -> tuple[FoundMedia, bool]:
        """(what some lines hold, whether these were the last ones). OSError."""
        peers = [orjson.loads(line) for line in islice(self._peers, LINES)]
        if peers:
            return FoundMedia(list(pictures(peers))), False
        found = FoundMedia()
        lines = list(islice(self._messages, LINES))
        for message in map(orjson.loads, lines):
            if contains(self.wanted, message["id"]):
                found.extend(find(message, {}))
        return found, len(lines) < LINES

    def close(self) -> None:
        self._peers.close()
        self._messages.close()
