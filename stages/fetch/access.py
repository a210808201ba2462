"""Who asks, where, and as which account: everything needed to open a session."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from stages.fetch.server import Server


@dataclass(frozen=True, slots=True)
class Access:
    """Built at the command line, handed to whichever process opens the account; pickles without Telethon."""

    api_id: int
    api_hash: str = field(repr=False)
    #: None is Telegram itself
    server: Server | None
    #: the folder that holds the folder of sessions
    home: Path
    account: str
    #: let Telethon's own log reach standard error
    verbose: bool = False

    @property
    def server_name(self) -> str:
        """The server for people: "Telegram", or its address."""
        return "Telegram" if self.server is None else str(self.server)
