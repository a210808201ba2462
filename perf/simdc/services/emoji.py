"""messages.getCustomEmojiDocuments."""
from __future__ import annotations

from telethon.tl import types
from telethon.tl.functions.messages import GetCustomEmojiDocumentsRequest

from tgbulk.perf.simdc.call import Call, serves
from tgbulk.perf.simdc.page import own, vector


@serves(GetCustomEmojiDocumentsRequest)
def get_custom_emoji_documents(call: Call, request: GetCustomEmojiDocumentsRequest) -> bytes:
    """A document for every id; nobody can download these."""
    return own(call, vector([bytes(emoji(number)) for number in request.document_id]))


def emoji(number: int) -> types.Document:
    """The custom emoji of this id."""
    attributes = [types.DocumentAttributeCustomEmoji("\N{OWL}", types.InputStickerSetEmpty(), free=True)]
    return types.Document(number, number * 7, b"", 1_700_000_000, "application/x-tgsticker", 1_000, 2, attributes)
