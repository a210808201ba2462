"""Who asks, where, by which way, and as which account: everything needed to open a session."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tgbulk.stages.fetch.proxy import Proxy
from tgbulk.stages.fetch.server import Server

#: Which addresses of a data centre are used; auto: the other kind where the first cannot be reached.
FAMILIES = ("auto", "4", "6")


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
    #: every connection goes through it
    proxy: Proxy | None = None
    #: one of FAMILIES
    family: str = "auto"

    @property
    def server_name(self) -> str:
        """The server for people: "Telegram", or its address."""
        return "Telegram" if self.server is None else str(self.server)

    @property
    def route(self) -> str:
        """The server for people, and through what it is reached."""
        return self.server_name if self.proxy is None else f"{self.server_name} through {self.proxy}"
