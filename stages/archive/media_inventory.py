"""What the index of media says must be below media/, read without touching it."""
from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass

from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.index_sum import what_is_wrong
from tgbulk.stages.archive.media_index import DamagedIndexError
from tgbulk.stages.archive.video_index import VIDEO_TABLE

_DONE = "select path, size, sha256 from file where state = 'done'"
_LOST = "select path from file where state = 'damaged' order by path"
_LEFT = "select count(*) from file where state in ('pending', 'failed')"
_HAS_VIDEOS = f"select 1 from sqlite_master where name = '{VIDEO_TABLE}'"
_MADE = f"select output, output_size, output_sha256 from {VIDEO_TABLE} where output <> ''"
_REPLACED = f"select path from {VIDEO_TABLE} join file on number = file where original > 0"


@dataclass(frozen=True, slots=True)
class MediaInventory:
    """Paths are relative to media/."""

    #: path -> (bytes, SHA-256) of each file that must be there: downloaded, and not replaced by a video; then videos made
    downloaded: dict[str, tuple[int, bytes]]
    made: dict[str, tuple[int, bytes]]
    #: files whose place videos took: they may be there or not
    replaced: set[str]
    #: found missing or damaged before, and not there again
    lost: list[str]
    #: how many wait, or failed
    left: int


def read_inventory(archive: Archive) -> MediaInventory:
    """DamagedIndexError; sqlite3's reason is its second argument."""
    if not archive.media_index.is_file():  # SQLite would follow a link, and wait at a pipe
        raise DamagedIndexError(archive.media_index, "it is not a file of its own")
    try:
        if wrong := what_is_wrong(archive.media_index):
            raise DamagedIndexError(archive.media_index, wrong)
        # Read from the file alone: to look at an archive must not change it.
        uri = f"{archive.media_index.path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            done = _sums(database, _DONE)
            made, replaced = {}, set()
            if database.execute(_HAS_VIDEOS).fetchone():  # an older index has none
                made = _sums(database, _MADE)
                replaced = {path for path, in database.execute(_REPLACED)}
            lost = [path for path, in database.execute(_LOST)]
            (left,) = database.execute(_LEFT).fetchone()
    except sqlite3.DatabaseError as error:
        raise DamagedIndexError(archive.media_index, error) from error
    downloaded = {path: found for path, found in done.items() if path not in replaced}
    return MediaInventory(downloaded, made, replaced & done.keys(), lost, left)


def _sums(database: sqlite3.Connection, statement: str) -> dict[str, tuple[int, bytes]]:
    return {path: (size, digest) for path, size, digest in database.execute(statement)}
