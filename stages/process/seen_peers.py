"""The peers that a worker has met: what of them is news to write, for a chat, and to fetch, for the account.

Most of a page's users came with the page before. A peer that is the very object of an earlier page (the decoder keeps those
whose bytes did not change) costs no second line and no second digest, and is not passed on again.
"""
from __future__ import annotations

from typing import Any

from tgbulk.stages.telegram.peer import PeerLine, PeerSummary, marked_id, peer_line, peer_summary

#: Entries kept; with more, all are forgotten and sent once more.
MOST = 100_000


class SeenPeers:
    """What one worker has sent. It is forgotten with the worker, and so is a block that was lost with it."""

    def __init__(self) -> None:
        self._lines: dict[int, tuple[dict[str, Any], PeerLine]] = {}
        self._written: dict[tuple[int, int], bytes] = {}
        self._summarized: dict[int, tuple[bytes, int]] = {}

    def news(self, stream: int, found: list[dict[str, Any]]) -> tuple[list[PeerLine], list[PeerSummary]]:
        """(lines that the chat of this stream has not had from this worker, summaries that fetch has not). Below 0: a stream
        of pages of which fetch takes no peers."""
        lines: list[PeerLine] = []
        summaries: list[PeerSummary] = []
        for peer in found:
            line = self._line(peer)
            marked = line.marked_id
            if self._written.get((stream, marked)) != line.digest:
                self._written[stream, marked] = line.digest
                lines.append(line)
            seal = line.digest, peer.get("access_hash", 0)
            if stream >= 0 and not line.is_min and self._summarized.get(marked) != seal:
                self._summarized[marked] = seal
                made = peer_summary(peer)
                if made is not None:
                    summaries.append(made)
        if len(self._written) > MOST:
            self._lines.clear()
            self._written.clear()
            self._summarized.clear()
        return lines, summaries

    def _line(self, peer: dict[str, Any]) -> PeerLine:
        marked = marked_id(peer)
        kept = self._lines.get(marked)
        if kept is not None and kept[0] is peer:
            return kept[1]
        line = peer_line(peer)
        self._lines[marked] = (peer, line)
        return line
