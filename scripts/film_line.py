"""What became of films, for people."""
from __future__ import annotations

from collections.abc import Iterator, Mapping

from scripts.media_line import size
from scripts.table import printable
from stages.film import FilmsStated

#: Failed films that are named one by one.
SHOWN = 5
_KEPT = {"skip": "play everywhere", "leave": "no films", "discard": "would not become smaller"}


def film_line(stated: FilmsStated) -> str:
    """One line that counts everything."""
    made = sum(stated.encoders.values())
    parts = [f"{made:,} made{_detail(stated.encoders)}"]
    if made:
        parts[0] += f", {size(stated.bytes_after)} of {size(stated.bytes_before)}"
    if stated.replaced:
        parts.append(f"{stated.replaced:,} originals replaced")
    if stated.done > made:
        parts.append(f"{stated.done - made:,} were made before")
    if stated.kept:
        kept = {_KEPT.get(action, action): count for action, count in stated.kept.items()}
        parts.append(f"{sum(kept.values()):,} stay as they are{_detail(kept)}")
    if stated.failed:
        parts.append(f"{sum(stated.failed.values()):,} could not be made and stay as they are{_detail(stated.failed)}")
    if stated.fallbacks:
        parts.append(f"{sum(stated.fallbacks.values()):,} at a second attempt{_detail(stated.fallbacks)}")
    if stated.waiting:
        parts.append(f"{stated.waiting:,} wait for the next run")
    return "films: " + "; ".join(parts)


def film_failures(stated: FilmsStated) -> Iterator[str]:
    """A line for each of the first that failed for reasons of their own, not for want of ffmpeg."""
    if stated.failed.keys() == {"tool"}:
        return
    for path, reason in stated.examples[:SHOWN]:
        yield printable(f"film media/{path}: {reason}; it stays as it is")
    more = len(stated.examples) - SHOWN
    if more > 0:
        yield f"{more:,} more films stay as they are; summary.json has their reasons"


def _detail(counts: Mapping[str, int]) -> str:
    return f" ({printable(', '.join(f'{what} {count:,}' for what, count in sorted(counts.items())))})" if counts else ""
