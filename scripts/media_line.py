"""What became of media, for people."""
from __future__ import annotations

from collections.abc import Iterator

from scripts.table import printable
from stages.medium import PROFILE, THUMBNAIL, MediaStated

#: Failed files that are named one by one.
SHOWN = 10
#: Nobody misses these where they were not asked for.
_UNASKED = {f"{category}: not asked for" for category in (THUMBNAIL, PROFILE)}


def size(count: int) -> str:
    """Bytes in a unit that reads well: 1.5 MB."""
    if count < 1000:
        return f"{count} B"
    power = min(4, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:.1f} {'kMGT'[power - 1]}B"


def media_line(stated: MediaStated) -> str:
    """One line that counts everything."""
    parts = [f"{stated.files:,} files, {size(stated.bytes)}"]
    if stated.known:
        parts.append(f"{stated.known:,} were there")
    skipped = {reason: count for reason, count in stated.skipped.items() if reason not in _UNASKED}
    for what, reasons in (("skipped", skipped), ("unavailable", stated.unavailable), ("failed", stated.failed)):
        if reasons:
            detail = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
            parts.append(f"{sum(reasons.values()):,} {what} ({printable(detail)})")
    if stated.waiting:
        parts.append(f"{stated.waiting:,} wait for the next run")
    return "media: " + "; ".join(parts)


def media_failures(stated: MediaStated) -> Iterator[str]:
    """A line for each of the first failed files."""
    for path, reason in stated.examples[:SHOWN]:
        yield printable(f"media/{path}: {reason}")
    more = sum(stated.failed.values()) - min(SHOWN, len(stated.examples))
    if more > 0:
        yield f"{more:,} more files failed; summary.json has their reasons"
