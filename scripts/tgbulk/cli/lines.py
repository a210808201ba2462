"""What is said of media, videos and stages: a line each."""
from __future__ import annotations

from collections.abc import Iterator, Mapping

from tgbulk.engine.text import printable
from tgbulk.stages.archive.video import VideosStated
from tgbulk.stages.collect.status import StageStatus, Status
from tgbulk.stages.telegram.medium import PROFILE, THUMBNAIL, MediaStated

#: Failed files, and videos, that are named one by one.
FILES, VIDEOS = 10, 5
#: Nobody misses these where they were not asked for.
_UNASKED = {f"{category}: not asked for" for category in (THUMBNAIL, PROFILE)}
#: An action that makes nothing -> why.
_KEPT = {"skip": "play everywhere", "leave": "not videos", "discard": "would not become smaller"}
#: Seconds of a run from which on its rates say something.
MEASURED_FROM = 2.0
#: Headings of the table of stages.
STAGES = ("stage", "rate", "queue", "busy", "CPU", "waits")
#: What a stage waits for, in words.
_WAITS = {
    ("fetch", "limit"): "Telegram's limit",
    ("fetch", "answers"): "answers",
    ("process", "upstream"): "pages",
    ("process", "downstream"): "write",
    ("write", "upstream"): "blocks",
    ("transcode", "upstream"): "videos",
}


def changed(edited: int, deleted: int, restored: int = 0) -> str:
    """What became of messages, to follow the new ones; "" where nothing did."""
    told = (edited, "edited"), (deleted, "deleted"), (restored, "restored")
    return "".join(f", {count:,} {what}" for count, what in told if count)


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
    for path, reason in stated.examples[:FILES]:
        yield printable(f"media/{path}: {reason}")
    more = sum(stated.failed.values()) - min(FILES, len(stated.examples))
    if more > 0:
        yield f"{more:,} more files failed; summary.json has their reasons"


def video_line(stated: VideosStated) -> str:
    """One line that counts everything."""
    made = sum(stated.encoders.values())
    parts = [f"{made:,} transcoded{_detail(stated.encoders)}"]
    if made:
        parts[0] += f", {size(stated.bytes_after)} of {size(stated.bytes_before)}"
    if stated.replaced:
        parts.append(f"{stated.replaced:,} originals replaced")
    if stated.done > made:
        parts.append(f"{stated.done - made:,} were transcoded before")
    if stated.kept:
        kept = {_KEPT.get(action, action): count for action, count in stated.kept.items()}
        parts.append(f"{sum(kept.values()):,} stay as they are{_detail(kept)}")
    if stated.failed:
        parts.append(f"{sum(stated.failed.values()):,} could not be transcoded and stay as they are{_detail(stated.failed)}")
    if stated.fallbacks:
        parts.append(f"{sum(stated.fallbacks.values()):,} at a second attempt{_detail(stated.fallbacks)}")
    if stated.waiting:
        parts.append(f"{stated.waiting:,} wait for the next run")
    return "videos: " + "; ".join(parts)


def video_failures(stated: VideosStated) -> Iterator[str]:
    """A line for each of the first that failed for reasons of their own, not for want of ffmpeg."""
    if stated.failed.keys() == {"tool"}:
        return
    for path, reason in stated.examples[:VIDEOS]:
        yield printable(f"video media/{path}: {reason}; it stays as it is")
    more = len(stated.examples) - VIDEOS
    if more > 0:
        yield f"{more:,} more videos stay as they are; summary.json has their reasons"


def _detail(counts: Mapping[str, int]) -> str:
    return f" ({printable(', '.join(f'{what} {count:,}' for what, count in sorted(counts.items())))})" if counts else ""


def stage_rows(status: Status) -> list[tuple[str, ...]]:
    """A heading, then units a second, queue, how busy it is, CPU of a core and what it waits for; a row a stage."""
    queues = {"fetch": f"{status.flying} out", "write": f"{status.slots} queued"}
    return [STAGES, *(_stage_row(row, queues.get(row.stage, "")) for row in status.stages)]


def _stage_row(row: StageStatus, queue: str) -> tuple[str, ...]:
    waits = f"{row.wait_share:.0%} for {_WAITS.get((row.stage, row.wait), row.wait)}" if row.wait else ""
    return row.stage, f"{row.units:,.0f}/s", queue, f"{row.busy:.0%}", f"{row.cpu:.0%}", waits


def clock(seconds: float) -> str:
    """1:02:03, or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
