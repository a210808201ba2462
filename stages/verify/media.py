"""The downloaded files against the index: every byte of every one that it calls done."""
from __future__ import annotations

import hashlib
from collections.abc import Container

from tgbulk.engine.durable import PART
from tgbulk.engine.folder import Place, UnsafeNameError
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.media_index import DamagedIndexError
from tgbulk.stages.archive.media_inventory import read_inventory
from tgbulk.stages.verify.report import Report, Weight, stranger

_CHUNK = 1 << 20


def check_media(archive: Archive, report: Report) -> None:
    """Add what is wrong. OSError for what cannot be read."""
    root, index = archive.media, report.where(archive.media_index)
    if archive.media_elsewhere:
        report.add(Weight.NOTE, report.where(root), f"it is a link: files are looked for in {archive.media_elsewhere}")
    if not archive.media_index.exists():
        if any(root.walk()):
            report.add(Weight.DAMAGE, index, "it is missing; the next export with media rebuilds it")
        return
    try:
        inventory = read_inventory(archive)
    except DamagedIndexError as error:
        killed = archive.index_cut_short()
        text = "a run was killed with it; the next export with media sets it right" if killed else str(error.args[1])
        report.add(Weight.UNFINISHED if killed else Weight.DAMAGE, index, text)
        return
    for name, (size, digest) in [*sorted(inventory.downloaded.items()), *sorted(inventory.made.items())]:
        place = _place(root, name, index, report)
        if place and (wrong := _what_is_wrong(place, size, digest)):
            report.add(Weight.DAMAGE, report.where(place), wrong)
            report.lost.append(name)
    for name in inventory.lost:
        if place := _place(root, name, index, report):
            report.add(Weight.UNFINISHED, report.where(place), "it was lost, and has not come again")
            report.lost.append(name)
    if inventory.left:
        text = f"{inventory.left:,} files wait, or failed; the next export with media goes on"
        report.add(Weight.UNFINISHED, report.where(root), text)
    _report_unknown(root, {*inventory.downloaded, *inventory.made, *inventory.replaced}, report)


def _place(root: Place, name: str, index: str, report: Report) -> Place | None:
    """Where the index says that a file is; None, and reported, for what leads elsewhere."""
    try:
        return root / name
    except UnsafeNameError as error:
        report.add(Weight.DAMAGE, index, f"it names a file outside of media/: {error}")
        return None


def _what_is_wrong(place: Place, size: int, digest: bytes) -> str:
    """What is wrong with a file, "" for nothing."""
    try:
        descriptor = place.open()
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


def _report_unknown(root: Place, known: Container[str], report: Report) -> None:
    for place in root.walk():
        name = "/".join(place.names)
        if name.endswith(PART):
            report.add(Weight.UNFINISHED, report.where(place), "a file that did not become whole")
        elif name not in known:
            report.add(Weight.NOTE, report.where(place), stranger(place))
