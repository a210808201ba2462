"""The tables beside the messages: peers, and chats."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import orjson

from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.peers import locate_peers
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.format import ChatDone
from tgbulk.stages.render.view import name_of
from tgbulk.stages.telegram.peer import marked_id, usernames

#: Offsets in one number with the place of their file.
_SHIFT = 48


def peer_rows(ordered: list[ChatSnapshot], pictures: dict[int, str]) -> Iterator[tuple[Any, ...]]:
    """Rows of column.PEER_COLUMNS, ascending by id: of what chats say of a peer, the full form of the last one that has one.

    pictures: photo id -> path. Holds about 150 bytes a peer. ChangedChatError, OSError.
    """
    found: dict[int, int] = {}
    reduced: set[int] = set()
    for place, snapshot in enumerate(ordered):
        for peer, small, offset in locate_peers(snapshot.peers_path, snapshot.row.peer_bytes):
            if small and peer in found and peer not in reduced:
                continue
            found[peer] = place << _SHIFT | offset
            (reduced.add if small else reduced.discard)(peer)
    with ExitStack() as stack:
        files = [stack.enter_context(one.peers_path.reader()) if one.row.peer_bytes else None
                 for one in ordered]
        for peer in sorted(found):
            place, offset = divmod(found[peer], 1 << _SHIFT)
            file = files[place]
            assert file is not None
            file.seek(offset)
            yield _peer_row(orjson.loads(file.readline()), pictures)


def _peer_row(peer: dict[str, Any], pictures: dict[int, str]) -> tuple[Any, ...]:
    get, name = peer.get, name_of(peer)
    picture = (get("photo") or {}).get("photo_id")
    return (
        marked_id(peer), name.type, name.name, get("first_name"), get("last_name"), name.username, usernames(peer),
        get("phone"), bool(get("bot")), name.type == "deleted", bool(get("premium")), bool(get("verified")),
        bool(get("scam")), bool(get("fake")), bool(get("contact")), pictures.get(picture) if picture else None,
    )


def _ids(ranges: list[IdRange]) -> str | None:
    return orjson.dumps([one.closed() for one in ranges]).decode() if ranges else None


def chat_rows(chats: list[ChatDone]) -> Iterator[tuple[Any, ...]]:
    """Rows of column.CHAT_COLUMNS. Lists of ids are texts of JSON: [[first, last], ...], a last of 0 is all above."""
    for chat in chats:
        about, row, said = chat.snapshot.about, chat.snapshot.row, chat.snapshot.statement
        holes = [_ids(said.missing), _ids(said.quarantined), _ids(said.filtered)]
        yield (
            about.id, about.type, about.title, about.usernames[0] if about.usernames else None, list(about.usernames),
            about.account, about.named, about.linked, about.migrated_from, about.migrated_from_max_id, about.migrated_to,
            row.state, about.reason, about.total, row.messages, row.services, said.empty,
            said.withheld, said.surplus, *holes, str(said), row.versions, row.deleted,
        )
