"""What became of films: a table of the index of media. Their files are rows of `file`."""
from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgpack

from engine.durable import sync_folder
from stages.film import FilmsStated
from stages.receipt import Batch
from stages.transcode.config import TranscodeConfig
from stages.transcode.failure import Failure
from stages.transcode.job import Outcome, TranscodeResult, target_of

#: Films that fetch gets at a time, and failed ones that the summary names.
FILMS = 100
EXAMPLES = 50
#: Failures that come again, whatever the machine is like; the others are tried anew by each run.
_FINAL = (Failure.INPUT, Failure.DAMAGED, Failure.UNKNOWN)
#: `original`: whether the file is there still; one that is going is deleted when this row is durable.
_THERE, _GOING, _GONE = 0, 1, 2
#: What a film sent as a file is called.
_ENDINGS = (
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "wmv", "asf", "flv", "mpg", "mpeg", "ts", "mts", "m2ts", "vob", "ogv",
    "3gp", "3g2",
)

_SCHEMA = (
    """
    create table if not exists film (
      file integer primary key,
      sha256 blob not null, policy text not null,
      outcome text not null, action text not null, reason text not null, failure text not null, encoder text not null,
      output text not null, output_size integer not null, output_sha256 blob not null, original integer not null
    )
    """,
    "create temp table fresh (file integer primary key)",
    "create temp table handed (file integer primary key)",
)
#: Of a row of `file`.
_IS_FILM = f"""
  state = 'done' and kind = 'document' and letter = '' and (
    category in ('video', 'round', 'animation')
    or category in ('document', 'preview') and ({" or ".join(f"path like '%.{ending}'" for ending in _ENDINGS)})
  )
"""
#: What this run would ask for again is not settled; ? is its policy.
_SETTLED = "exists (select 1 from film where file = number and film.sha256 = file.sha256 and (original > 0 or policy = ?))"
_FRESH = """
create temp trigger film after update of state on file when new.state = 'done' and old.state <> 'done'
begin insert or ignore into fresh values (new.number); end
"""
_ROW = "select number, path, category, size, hex(sha256) from file"
_NEW = f"{_ROW} join fresh on fresh.file = number where {_IS_FILM} and not {_SETTLED} order by number limit ?"
_OLD = f"""
{_ROW} where number > ? and {_IS_FILM} and not {_SETTLED} and number not in (select file from handed) and {{shown}}
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


class FilmIndex:
    """Beside the MediaIndex, in its transactions."""

    def __init__(
        self, execute: Callable[..., sqlite3.Cursor], shown: str, folder: Path, config: TranscodeConfig
    ) -> None:
        """execute, shown: MediaIndex's. folder: media/. OSError for an original that cannot be deleted."""
        self._execute = execute
        self._shown = shown
        self._folder = folder
        self._policy = f"{config.mode} {config.height} {config.quality} {config.max_bitrate}"
        self._policy += "" if config.keep_original else " replace"
        self._stated = FilmsStated()
        self._encoders: Counter[str] = Counter()
        self._fallbacks: Counter[str] = Counter()
        self._going = True
        #: jobs answered in this run
        self.answered = 0
        for statement in (*_SCHEMA, _FRESH):
            execute(statement)
        marks = ", ".join("?" * len(_FINAL))
        execute(f"update film set policy = '' where outcome = 'failed' and failure not in ({marks})", _FINAL)
        self.remove_originals()

    def ask(self, question: bytes) -> Batch:
        """Take in results, hand out what waits and was not yet handed out in this run."""
        results, cursor, wanted = msgpack.unpackb(question)
        for row in results:
            self._keep(TranscodeResult(*row))
        if not wanted:
            return Batch([], cursor)
        rows = self._execute(_NEW, (self._policy, FILMS)).fetchall()
        if not rows:
            self._execute("delete from fresh")  # what is left are no films
            rows = self._execute(_OLD.format(shown=self._shown), (cursor, self._policy, FILMS)).fetchall()
            # Files below the cursor that become films later are fresh, or belong to a chat opened later: fetch begins again.
            cursor = rows[-1][0] if rows else self._execute("select coalesce(max(number), 0) from file").fetchone()[0]
        for number, *_ in rows:
            self._execute("insert or ignore into handed values (?)", (number,))
            self._execute("delete from fresh where file = ?", (number,))
        return Batch([list(row) for row in rows], cursor, bool(rows))

    def remove_originals(self) -> bool:
        """Delete the originals whose rows are durable; whether there is something to commit."""
        if not self._going:
            return False
        self._going = False
        going = self._execute("select file, path, output, output_size from film join file on number = file"
                              " where original = ?", (_GOING,)).fetchall()
        for number, path, output, size in going:
            here = self._folder / output
            whole = here.is_file() and here.stat().st_size == size
            if whole:
                (self._folder / path).unlink(missing_ok=True)
                sync_folder((self._folder / path).parent)
            self._execute("update film set original = ? where file = ?", (_GONE if whole else _THERE, number))
        return bool(going)

    def stated(self) -> FilmsStated:
        """What became of the films of this run's chats."""
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
            if outcome == Outcome.DONE:
                stated.done += count
            elif outcome == Outcome.KEPT:
                kept[action] += count
            elif outcome == Outcome.FAILED:
                failed[failure] += count
        stated.kept, stated.failed = dict(kept), dict(failed)
        waiting = f"select count(*) from file where {_IS_FILM} and not {_SETTLED} and {self._shown}"
        (left,) = self._execute(waiting, (self._policy,)).fetchone()
        stated.waiting = left
        return stated

    def _keep(self, result: TranscodeResult) -> None:
        self.answered += 1
        self._fallbacks.update(result.fallbacks)
        if result.outcome == Outcome.STOPPED:
            return
        (path,) = self._execute("select path from file where number = ?", (result.number,)).fetchone()
        output = str(target_of(Path(path))) if result.outcome == Outcome.DONE else ""
        self._execute(_KEEP, (
            bytes.fromhex(result.sha256), self._policy, result.outcome, result.action, result.reason, result.failure,
            result.encoder, output, result.output_size, bytes.fromhex(result.output_sha256),
            _GOING if result.replaced else _THERE, result.number,
        ))
        self._going = self._going or result.replaced
        if result.outcome == Outcome.DONE:
            self._encoders[result.encoder or "made before"] += 1
            self._stated.bytes_before += result.size
            self._stated.bytes_after += result.output_size
            self._stated.replaced += result.replaced
        if result.outcome == Outcome.FAILED and len(self._stated.examples) < EXAMPLES:
            self._stated.examples.append([path, result.reason])
