"""A supergroup of documents of one size, whose bytes are made where they are read."""
from __future__ import annotations

from datetime import UTC, datetime

from telethon.tl import types

from tgbulk.perf.simdc.corpus.corpus import EPOCH, Corpus
from tgbulk.perf.simdc.corpus.message import Message, document
from tgbulk.perf.simdc.corpus.wire import encode
from tgbulk.perf.simdc.stored import StoredHistory
from tgbulk.perf.simdc.world import CHANNEL_MARK


def assemble(corpus: Corpus, number: int, name: str, count: int, size: int) -> None:
    """Add sim_<name> with so many documents of so many bytes; in the first account's dialogs."""
    history = StoredHistory()
    for message_id in range(1, count + 1):
        item = corpus.shelf.document(size, "application/octet-stream", [], name=f"{message_id}.bin")
        date = datetime.fromtimestamp(EPOCH + 60 * message_id, UTC)
        message = Message(message_id, types.PeerChannel(number), date, "", media=document(item))
        history.append(message, encode(message))
    marked_id = corpus.channel(number, name, history, megagroup=True, username=f"sim_{name}")
    assert marked_id == -CHANNEL_MARK - number
    corpus.join(marked_id, corpus.world.accounts[0])
