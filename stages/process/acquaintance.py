"""The peers that a worker has met: what of them is news to write, for a chat, and to fetch, for the account.

Most of a page's users came with the page before. A peer that is the very object of an earlier page (the decoder keeps those
whose bytes did not change) costs no second line and no second digest, and is not passed on again.
"""
from __future__ import annotations

from typing import Any

import orjson

from stages.telegram.peer import card, digest, is_min, marked_id

#: Entries kept; with more, all are forgotten and told of once more.
MOST = 100_000

#: marked id, is min, digest, line
Row = tuple[int, bool, bytes, bytes]


class Acquaintance:
    """What one worker has told of. It is forgotten with the worker, and so is a block that was lost with it."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[dict[str, Any], Row]] = {}
        self._written: dict[tuple[int, int], bytes] = {}
        self._carded: dict[int, tuple[bytes, int]] = {}

    def news(self, stream: int, found: list[dict[str, Any]]) -> tuple[list[Row], list[list[Any]]]:
        """(rows that the chat of this stream has not had from this worker, cards that fetch has not)."""
        rows: list[Row] = []
        cards: list[list[Any]] = []
        for peer in found:
            row = self._row(peer)
            marked, small, version, _ = row
            if self._written.get((stream, marked)) != version:
                self._written[stream, marked] = version
                rows.append(row)
            seal = version, peer.get("access_hash", 0)
            if not small and self._carded.get(marked) != seal:
                self._carded[marked] = seal
                made = card(peer)
                if made is not None:
                    cards.append(made)
        if len(self._written) > MOST:
            self._rows.clear()
            self._written.clear()
            self._carded.clear()
        return rows, cards

    def _row(self, peer: dict[str, Any]) -> Row:
        marked = marked_id(peer)
        kept = self._rows.get(marked)
        if kept is not None and kept[0] is peer:
            return kept[1]
        row = (marked, is_min(peer), digest(peer), orjson.dumps(peer, option=orjson.OPT_APPEND_NEWLINE))
        self._rows[marked] = (peer, row)
        return row
