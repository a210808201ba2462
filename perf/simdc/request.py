"""One request of a client, taken out of its wrappers."""
from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from telethon.tl import functions

from tgbulk.perf.simdc.call import REGISTRY, RpcError, Service, method_name
from tgbulk.perf.simdc.session import Session

_PLAIN_WRAPPERS = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
)


@dataclass(slots=True)
class Request:
    """A request on its way through the dispatcher; `unwrap` fills in what its wrappers and the registry tell."""

    session: Session
    msg_id: int
    #: bytes of the request before it was decoded
    size: int
    query: Any = None
    method: str = "unknown"
    service: Service | None = None
    anonymous: bool = True
    #: why there is no service
    refusal: RpcError | None = None
    takeout_id: int | None = None
    message_range: tuple[int, int] | None = None
    #: its connection is not to get pushes for it
    silent: bool = False
    #: when it came, by time.monotonic()
    received: float = field(default_factory=time.monotonic)
    #: message ids whose answers it waits for
    after: list[int] = field(default_factory=list)

    def unwrap(self) -> None:
        """Take off the invokeWith... wrappers and look the method up. Raises RpcError for one that nobody serves."""
        query = self.query
        while True:
            if isinstance(query, functions.InvokeWithTakeoutRequest):
                self.takeout_id = query.takeout_id
            elif isinstance(query, functions.InvokeWithMessagesRangeRequest):
                self.message_range = query.range.min_id, query.range.max_id
            elif isinstance(query, functions.InvokeWithoutUpdatesRequest):
                self.silent = True
            elif isinstance(query, functions.InvokeAfterMsgRequest):
                self.after.append(query.msg_id)
            elif isinstance(query, functions.InvokeAfterMsgsRequest):
                self.after += query.msg_ids
            elif not isinstance(query, _PLAIN_WRAPPERS):
                break
            query = query.query
        self.query = query
        constructor = getattr(query, "CONSTRUCTOR_ID", 0)
        found = REGISTRY.get(constructor)
        if found is None:
            self.method = method_name(type(query))
            raise unknown(constructor)
        self.method, self.service, self.anonymous = found


def unknown(constructor: int) -> RpcError:
    """The refusal of a constructor id that is no served method."""
    return RpcError(400, f"INPUT_METHOD_INVALID_{constructor}")
