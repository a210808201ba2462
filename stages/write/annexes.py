"""Pages of annexes as write takes them in."""
from __future__ import annotations

from tgbulk.engine.document import DamagedDocumentError
from tgbulk.stages.archive.annex import LookState
from tgbulk.stages.archive.chat import ChatFile
from tgbulk.stages.archive.lines import ChangedChatError
from tgbulk.stages.archive.segments import DamagedChatError
from tgbulk.stages.protocol.annex import AnnexPage, AnnexReply


def add_page(chat: ChatFile, page: AnnexPage) -> AnnexReply:
    """Take a page in; a page that comes twice changes nothing. An annex that is damaged is refused. OSError."""
    try:
        file = chat.annexes.file(page.name)
    except (DamagedChatError, DamagedDocumentError, ChangedChatError, ValueError, KeyError, TypeError) as error:
        return AnnexReply(refusal=f"its annexes in the archive are damaged: {error}")
    chat.add_peers(page.peers)
    if page.reason and not page.state:
        file.about.reason = page.reason
    elif not (page.items or page.state or page.cursor):
        file.begin(page.account, page.now)
    elif file.about.state == LookState.OPEN:
        file.add(page.items, page.cursor, page.total)
        if page.state:
            file.end(page.state, page.reason, page.now)
    return AnnexReply(file.about.cursor, file.about.top, file.count)
