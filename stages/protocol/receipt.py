"""What the data way carries: the kinds of payloads, and what process makes of a page.

The receipt is for fetch: enough to go on with the walk, nothing of the content; the body is for write.
"""
from dataclasses import dataclass, field
from enum import IntEnum

from tgbulk.engine.frame import frame
from tgbulk.stages.telegram.medium import FoundMedia
from tgbulk.stages.telegram.peer import PeerLine, PeerSummary


class PayloadKind(IntEnum):
    """What a payload of the data way is."""

    #: the raw TL bytes of one getHistory answer
    HISTORY = 1
    #: ChatRecord at the start of a chat's export; write answers with OpenReply
    OPEN = 2
    #: ChatRecord at its end
    CLOSE = 3
    #: the raw TL bytes of a getHistory answer of which only the receipt is wanted
    PROBE = 4
    #: MediaRequest; write answers with MediaBatch
    MEDIA = 5
    #: QuarantineRequest
    QUARANTINE = 6
    #: VideoRequest; write answers with VideoBatch
    VIDEO = 7
    #: as HISTORY, of a page that is known to be the last: nothing lies above it
    END = 8
    #: the raw TL bytes of a getDifference or getChannelDifference answer, read by the account `origin`, of the channel
    #: `subject` or, where that is 0, of the common box; write answers with DifferenceReceipt
    DIFFERENCE = 9
    #: as HISTORY, of the chat `subject`, open or not, read by the account `origin`: messages whose ids were covered before
    #: the walk began are looked at again; an id from `first` to below the receipt's `next` that is not in it has none now
    AGAIN = 10
    #: StateRequest; write answers with StateReply
    STATE = 11
    #: BoxRequest; write answers with StateReply
    BOX = 12
    #: as AGAIN, of a page that is known to be the last
    AGAIN_END = 13
    #: AnnexPage of an open chat; write answers with AnnexReply
    ANNEX = 14


#: Pages of what was covered before.
LOOKED_AGAIN = (PayloadKind.AGAIN, PayloadKind.AGAIN_END)


@frame
@dataclass(slots=True)
class Receipt:
    """One page, counted."""

    #: constructor of the answer, as `messages.channelMessages`
    form: str = ""
    #: the server's count of the whole chat, -1 where the answer has none
    total: int = -1
    #: lowest and highest id of the page, messageEmpty included; 0 for an empty page
    low: int = 0
    high: int = 0
    #: the lowest id that the range has still to ask for after this page
    next: int = 0
    #: lines in the block
    messages: int = 0
    #: of these, service messages
    services: int = 0
    #: ids answered with messageEmpty: deleted or unavailable
    empty: list[int] | None = None
    #: messages left out because they came twice, or are another range's
    repeated: int = 0
    #: why the fast decoder did not do it, "" where it did
    slow: str = ""
    #: why the page could not be decoded at all, "" where it was
    error: str = ""
    #: peers that came along, new or changed since this worker last sent them
    peers: list[PeerSummary] | None = None
    #: media in the block, where they are wanted
    media: int = 0
    #: the page is not the end, whatever it says: an empty one is to be asked for again
    doubtful: bool = False
    #: Unix seconds: of the message with the highest id, 0 where there is none
    date: int = 0
    #: users and chats left out, which are none
    strange: int = 0

    @property
    def listed(self) -> int:
        """Messages of the page as the server sent it."""
        return self.messages + len(self.empty or []) + self.repeated


@frame
@dataclass(slots=True)
class PageBody:
    """What write keeps of a page."""

    #: peers that the chat has not had from this worker
    peers: list[PeerLine] = field(default_factory=list)
    #: of the messages, ascending by id
    lines: bytes = b""
    #: None where no media are wanted
    media: FoundMedia | None = None
