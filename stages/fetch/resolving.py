"""Names of chats to their ids, for programs that hand chats out: each is asked once, then the account's cache knows it."""
from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from tgbulk.engine.metric import Meter
from tgbulk.engine.text import printable
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.config import FetchConfig
from tgbulk.stages.fetch.error import ChatError
from tgbulk.stages.fetch.name import ChatName
from tgbulk.stages.fetch.reader import open_reader
from tgbulk.stages.fetch.session import Session
from tgbulk.stages.protocol.event import Notice, Waiting
from tgbulk.stages.telegram.chat import ChatRecord


async def resolve_names(
    access: Access, names: Sequence[ChatName], notify: Callable[[str], None], wait: float = 0.0
) -> AsyncIterator[tuple[ChatName, ChatRecord | ChatError]]:
    """What each name means to the account, or why it means nothing. wait: seconds for an account that is in use.

    Raises what `open_account` raises, and TgbulkError for what concerns all names, such as a long flood wait.
    """
    session = Session.of(access.home, access.server, access.account)

    def say(event: object) -> None:
        if isinstance(event, Waiting):
            notify(f"Telegram asks to wait {event.seconds} seconds before the next {event.method}")
        elif isinstance(event, Notice):
            notify(printable(event.text))

    with session.lock.acquire(wait) as lock:
        async with open_reader(0, access, lock, FetchConfig([access], [], 1), say, Meter(None)) as reader:
            for name in names:
                try:
                    found: ChatRecord | ChatError = (await reader.resolver.resolve(name)).record
                except ChatError as error:
                    found = error
                yield name, found
