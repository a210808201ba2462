"""What became of videos: a table of the index of media. Their files are rows of `file`."""
from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tgbulk.engine.durable import sync_folder
from tgbulk.engine.folder import Place, UnsafeNameError
from tgbulk.stages.archive.video import TranscodeResult, VideoFailure, VideoOutcome, VideosStated, target_of
from tgbulk.stages.telegram.medium import VideoFile

#: Videos that fetch gets at a time, and failed ones that the summary names.
VIDEOS = 100
EXAMPLES = 50
#: Failures that come again, whatever the machine is like; the others are tried again by each run.
_FINAL = (VideoFailure.INPUT, VideoFailure.DAMAGED, VideoFailure.UNKNOWN)
#: `original`: whether the file is there still; one that is going is deleted when this row is durable.
_THERE, _GOING, _GONE = 0, 1, 2
#: What a video sent as a file is called.
_ENDINGS = (
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "wmv", "asf", "flv", "mpg", "mpeg", "ts", "mts", "m2ts", "vob", "ogv",
    "3gp", "3g2",
)

#: The name that the table of videos has had from the first archive on.
VIDEO_TABLE = "film"

VIDEO_SCHEMA = (
    """
    create table if not exists film (
      file integer primary key,
      sha256 blob not null, policy text not null,
      outcome text not null, action text not null, reason text not null, failure text not null, encoder text not null,
      output text not null, output_size integer not null, output_sha256 blob not null, original integer not null
    )
    """
)
_HANDED = (
    "create temp table fresh (file integer primary key)",
    "create temp table handed (file integer primary key)",
)
#: Of a row of `file`.
_IS_VIDEO = f"""
  state = 'done' and kind = 'document' and letter = '' and (
    category in ('video', 'round', 'animation')
    or category in ('document', 'preview') and ({" or ".join(f"path like '%.{ending}'" for ending in _ENDINGS)})
  )
"""
#: What this run would ask for again is not settled; ? is its policy.
_SETTLED = "exists (select 1 from film where file = number and film.sha256 = file.sha256 and (original > 0 or policy = ?))"
_FRESH = """
create temp trigger film_done after update of state on file when new.state = 'done' and old.state <> 'done'
begin insert or ignore into fresh values (new.number); end
"""
_ROW = "select number, path, category, size, hex(sha256) from file"
_NEW = f"{_ROW} join fresh on fresh.file = number where {_IS_VIDEO} and not {_SETTLED} order by number limit ?"
_OLD = f"""
{_ROW} where number > ? and {_IS_VIDEO} and not {_SETTLED} and number not in (select file from handed) and {{shown}}
order by number limit ?
"""
_KEEP = """
insert into film select number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? from file where number = ?
on conflict (file) do update set
  sha256 = excluded.sha256, policy = excluded.policy, outcome = excluded.outcome, action = excluded.action,
  reason = excluded.reason, failure = excluded.failure,
  encoder = iif(excluded.encoder = '', encoder, excluded.encoder),
  output_size = iif(excluded.output = '', output_size, excluded.output_size),
  output_sha256 = iif(excluded.output = '', output_sha256, excluded.output_sha256),
  output = iif(excluded.output = '', output, excluded.output), original = excluded.original
"""


class VideoIndex:
    """Beside the MediaIndex, in its transactions."""

    def __init__(self, execute: Callable[..., sqlite3.Cursor], shown: str, folder: Place, policy: str) -> None:
        """execute, shown: MediaIndex's; folder: media/; policy: video_policy(). OSError for an original that stays."""
        self._execute = execute
        self._shown = shown
        self._folder = folder
        self._policy = policy
        self._stated = VideosStated()
        self._encoders: Counter[str] = Counter()
        self._fallbacks: Counter[str] = Counter()
        self._going = True
        #: jobs answered in this run
        self.answered = 0
        for statement in (VIDEO_SCHEMA, *_HANDED, _FRESH):
            execute(statement)
        marks = ", ".join("?" * len(_FINAL))
        execute(f"update film set policy = '' where outcome = 'failed' and failure not in ({marks})", _FINAL)
        self.remove_originals()

    def settle(self, results: list[TranscodeResult]) -> None:
        """Note what became of videos."""
        for one in results:
            self._keep(one)

    def next(self, cursor: int) -> tuple[list[VideoFile], int]:
        """(what waits and was not yet handed out in this run, the number up to which was looked)."""
        rows = self._execute(_NEW, (self._policy, VIDEOS)).fetchall()
        if not rows:
            self._execute("delete from fresh")  # what is left are not videos
            rows = self._execute(_OLD.format(shown=self._shown), (cursor, self._policy, VIDEOS)).fetchall()
            # Files below the cursor that become videos later are fresh, or of a chat opened later: fetch begins again.
            cursor = rows[-1][0] if rows else self._execute("select coalesce(max(number), 0) from file").fetchone()[0]
        for number, *_ in rows:
            self._execute("insert or ignore into handed values (?)", (number,))
            self._execute("delete from fresh where file = ?", (number,))
        return [VideoFile(*row) for row in rows], cursor

    def remove_originals(self) -> bool:
        """Delete the originals whose rows are durable; whether there is something to commit."""
        if not self._going:
            return False
        self._going = False
        going = self._execute("select file, path, output, output_size from film join file on number = file"
                              " where original = ?", (_GOING,)).fetchall()
        for number, path, output, size in going:
            try:
                made, original = self._folder / output, self._folder / path
                whole = made.is_file() and made.stat().st_size == size
            except UnsafeNameError:  # verify tells of it
                whole = False
            if whole:
                original.unlink(missing_ok=True)
                sync_folder(original.parent)
            self._execute("update film set original = ? where file = ?", (_GONE if whole else _THERE, number))
        return bool(going)

    def stated(self) -> VideosStated:
        """What became of the videos of this run's chats."""
        stated = self._stated
        stated.encoders, stated.fallbacks = dict(self._encoders), dict(self._fallbacks)
        kept: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        counts = self._execute(
            "select outcome, action, failure, count(*) from film join file on number = file where "
            f"(original > 0 or policy = ?) and film.sha256 = file.sha256 and {self._shown} group by 1, 2, 3",
            (self._policy,),
        )
        for outcome, action, failure, count in counts:
            if outcome == VideoOutcome.DONE:
                stated.done += count
            elif outcome == VideoOutcome.KEPT:
                kept[action] += count
            elif outcome == VideoOutcome.FAILED:
                failed[failure] += count
        stated.kept, stated.failed = dict(kept), dict(failed)
        waiting = f"select count(*) from file where {_IS_VIDEO} and not {_SETTLED} and {self._shown}"
        (left,) = self._execute(waiting, (self._policy,)).fetchone()
        stated.waiting = left
        return stated

    def _keep(self, result: TranscodeResult) -> None:
        self.answered += 1
        self._fallbacks.update(result.fallbacks)
        if result.outcome == VideoOutcome.STOPPED:
            return
        (path,) = self._execute("select path from file where number = ?", (result.number,)).fetchone()
        output = str(target_of(Path(path))) if result.outcome == VideoOutcome.DONE else ""
        self._execute(_KEEP, (
            bytes.fromhex(result.sha256), self._policy, result.outcome, result.action, result.reason, result.failure,
            result.encoder, output, result.output_size, bytes.fromhex(result.output_sha256),
            _GOING if result.replaced else _THERE, result.number,
        ))
        self._going = self._going or result.replaced
        if result.outcome == VideoOutcome.DONE:
            self._encoders[result.encoder or "made before"] += 1
            self._stated.bytes_before += result.size
            self._stated.bytes_after += result.output_size
            self._stated.replaced += result.replaced
        if result.outcome == VideoOutcome.FAILED and len(self._stated.examples) < EXAMPLES:
            self._stated.examples.append([path, result.reason])
