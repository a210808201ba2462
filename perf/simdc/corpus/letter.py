"""Messages before they have an id: private chats and basic groups take their ids from their account's one sequence."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.corpus import Corpus, peer_of
from tgbulk.perf.simdc.corpus.message import Message, MessageService, body
from tgbulk.perf.simdc.stored import StoredHistory
from tgbulk.perf.simdc.world import Account


@dataclass(slots=True)
class Letter:
    """One message of a conversation, the same for each account that has it."""

    date: int
    sender: int
    fields: dict[str, Any] = field(default_factory=dict)
    #: a service message's action
    action: Any = None
    #: the letter of this place in the conversation is answered
    answers: int | None = None


def chatter(corpus: Corpus, random: Random, senders: Sequence[int], count: int, start: int, span: int) -> list[Letter]:
    """So many everyday letters within `span` seconds from `start`."""
    dates = sorted(random.randrange(start, start + span) for _ in range(count))
    return [
        Letter(date, random.choice(senders), body(corpus, random),
               answers=random.randrange(max(0, n - 20), n) if n and random.random() < 0.2 else None)
        for n, date in enumerate(dates)
    ]


def deliver(account: Account, conversations: dict[int, list[Letter]], random: Random) -> None:
    """Give every letter its id, in the order of dates and with gaps for what was deleted, and build the histories."""
    order = sorted((letter.date, marked_id, place)
                   for marked_id, letters in conversations.items() for place, letter in enumerate(letters))
    ids: dict[int, list[int]] = {marked_id: [] for marked_id in conversations}
    histories = {marked_id: StoredHistory() for marked_id in conversations}
    number = random.randint(1, 50)
    for _, marked_id, place in order:
        ids[marked_id].append(number)
        letter = conversations[marked_id][place]
        answered = None if letter.answers is None else ids[marked_id][letter.answers]
        histories[marked_id].append(_message(account, marked_id, letter, number, answered))
        number += random.choice((1, 1, 1, 1, 2, 3, 7)) if random.random() < 0.995 else random.randint(300, 3000)
    account.histories.update(histories)


def _message(account: Account, marked_id: int, letter: Letter, number: int, answered: int | None) -> Any:
    # Nothing one sends to oneself is outgoing on the wire, and incoming private messages do not name their sender.
    out = letter.sender == account.user_id and marked_id != account.user_id
    named = out or marked_id < 0 or marked_id == account.user_id
    fields = {"out": out, "from_id": types.PeerUser(letter.sender) if named else None, **letter.fields}
    if answered is not None:
        fields["reply_to"] = types.MessageReplyHeader(reply_to_msg_id=answered)
    if letter.action is not None:
        return MessageService(number, peer_of(marked_id), letter.date, letter.action, **fields)
    return Message(number, peer_of(marked_id), letter.date, **fields)
