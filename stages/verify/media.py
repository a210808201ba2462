"""The files below media/ against the index: every byte of every one that it calls done."""
from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Container
from pathlib import Path

from engine.durable import PART
from stages.verify.finding import Report, Weight
from stages.write.archive import Archive

_CHUNK = 1 << 20
_INDEX = "media.sqlite"


def check_media(archive: Archive, report: Report) -> None:
    """Add what is wrong. OSError for what cannot be read."""
    root = archive.root / "media"
    if not archive.media.exists():
        if root.exists() and any(root.rglob("*")):
            report.add(Weight.DAMAGE, _INDEX, "it is missing; the next export with media makes it anew")
        return
    try:
        # Read from the file alone: to look at an archive must not change it.
        database = sqlite3.connect(f"{archive.media.absolute().as_uri()}?mode=ro", uri=True)
        try:
            done = {path: (size, digest) for path, size, digest in database.execute(
                "select path, size, sha256 from file where state = 'done'")}
            made, replaced = _films(database)
            lost = [path for path, in database.execute("select path from file where state = 'damaged' order by path")]
            left = database.execute("select count(*) from file where state in ('pending', 'failed')").fetchone()[0]
        finally:
            database.close()
    except sqlite3.DatabaseError as error:
        killed = archive.media.with_name(_INDEX + "-journal").exists()
        text = "a run was killed with it; the next export with media sets it right" if killed else str(error)
        report.add(Weight.UNFINISHED if killed else Weight.DAMAGE, _INDEX, text)
        return
    for name, (size, digest) in [*sorted((one, done[one]) for one in done.keys() - replaced), *sorted(made.items())]:
        if wrong := _what_is_wrong(root / name, size, digest):
            report.add(Weight.DAMAGE, report.where(root / name), wrong)
            report.lost.append(name)
    for name in lost:
        report.add(Weight.UNFINISHED, report.where(root / name), "it was lost, and has not come again")
        report.lost.append(name)
    if left:
        report.add(Weight.UNFINISHED, "media", f"{left:,} files wait, or failed; the next export with media goes on")
    _name_strangers(root, done.keys() | made.keys(), report)


def _films(database: sqlite3.Connection) -> tuple[dict[str, tuple[int, bytes]], set[str]]:
    """(films made of files, with size and SHA-256; the files whose place they took). An older index has none."""
    if not database.execute("select 1 from sqlite_master where name = 'film'").fetchone():
        return {}, set()
    made = {path: (size, digest) for path, size, digest in database.execute(
        "select output, output_size, output_sha256 from film where output <> ''")}
    gone = {path for path, in database.execute("select path from film join file on number = file where original > 0")}
    return made, gone


def _what_is_wrong(path: Path, size: int, digest: bytes) -> str:
    """What is wrong with a file, "" for nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return error.strerror or "it cannot be opened"
    with open(descriptor, "rb") as file:
        found = hashlib.sha256()
        length = 0
        while data := file.read(_CHUNK):
            found.update(data)
            length += len(data)
    if length != size:
        return f"it has {length:,} bytes, not {size:,}"
    return "" if found.digest() == digest else "it is not what was downloaded"


def _name_strangers(root: Path, known: Container[str], report: Report) -> None:
    for path in sorted(root.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = str(path.relative_to(root))
        if name.endswith(PART):
            report.add(Weight.UNFINISHED, report.where(path), "a file that did not become whole")
        elif name not in known:
            report.add(Weight.NOTE, report.where(path), "it does not belong to the archive")
