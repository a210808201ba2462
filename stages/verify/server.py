"""What the server says of chats now, as far as the archive covers them: one call a chat."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from telethon import errors

from tgbulk.engine.error import TgbulkError
from tgbulk.engine.metric import Meter
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.config import FetchConfig
from tgbulk.stages.fetch.error import ChatError
from tgbulk.stages.fetch.history import at_or_below
from tgbulk.stages.fetch.name import parse_name
from tgbulk.stages.fetch.reader import Reader, open_reader
from tgbulk.stages.fetch.resolver import Target, refusal
from tgbulk.stages.fetch.session import Session
from tgbulk.stages.telegram.decoder import page
from tgbulk.stages.telegram.wire import DecodeError

_WHOLE = "messages.messages"


@dataclass(frozen=True, slots=True)
class Question:
    """Which chat, by the name that leads to it, and the highest id that the archive covers."""

    marked_id: int
    name: str
    top: int


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """How many messages the server counts with ids up to the top, None if it does not say; the newest of them."""

    count: int | None
    #: ascending by id, messageEmpty left out
    newest: list[dict[str, Any]]


async def ask(
    access: Access, questions: Iterable[Question], notify: Callable[[object], None]
) -> dict[int, ServerAnswer | TgbulkError]:
    """By marked id, an answer or why there is none. AuthNeededError, LockedError, UnreachableError end it all."""
    session = Session.of(access.home, access.server, access.account)
    answers: dict[int, ServerAnswer | TgbulkError] = {}
    with session.lock as lock:
        async with open_reader(0, access, lock, FetchConfig([access], [], in_flight=1), notify, Meter(None)) as reader:
            for question in questions:
                try:
                    answers[question.marked_id] = await _ask(reader, question)
                except ChatError as error:
                    answers[question.marked_id] = error
                except errors.RPCError as error:
                    answers[question.marked_id] = refusal(question.name, error)
    return answers


async def _ask(reader: Reader, question: Question) -> ServerAnswer:
    try:
        return await _count(reader, question, await find(reader, question.marked_id, question.name))
    except errors.BadRequestError:
        return await _count(reader, question, await find(reader, question.marked_id, question.name, fresh=True))


async def find(reader: Reader, marked_id: int, name: str, fresh: bool = False) -> Target:
    """The chat to which that name leads; fresh: past the cache. ChatError, RPCError."""
    target = await reader.resolver.resolve(parse_name(name), fresh)
    if target.record.marked_id != marked_id:
        # The older half of a chat that migrated is found through the newer one.
        older = await reader.resolver.older_half(target)
        if older is None or older.record.marked_id != marked_id:
            raise ChatError(name, f"this is {target.record.marked_id} now", "")
        return older
    return target


async def _count(reader: Reader, question: Question, target: Target) -> ServerAnswer:
    data = await reader.caller.call(at_or_below(target.peer, question.top))
    try:
        answer = page(data).answer
    except DecodeError as error:
        raise ChatError(question.name, f"the answer cannot be read: {error}", "") from error
    found = [message for message in answer.get("messages", []) if message["_"] != "messageEmpty"]
    newest = sorted((message for message in found if message["id"] <= question.top), key=lambda one: one["id"])
    if answer["_"] == _WHOLE:
        return ServerAnswer(sum(message["id"] <= question.top for message in answer["messages"]), newest)
    above = answer.get("offset_id_offset")
    return ServerAnswer(None if above is None else answer["count"] - above, newest)
