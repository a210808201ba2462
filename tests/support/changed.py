"""An archive of chats that changed, held against what the server says now and ever said."""
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.telegram.content import content


def disagreements(dc: SimDC, archive: Path, chat: int) -> Iterator[str]:
    """Invariants 1, 2, 3 and 8 of docs/spec/updates.md 10, of one chat of the first account."""
    firsts = {one["id"]: one for one in _lines(archive, chat, "messages")}
    changes = _lines(archive, chat, "changes")
    latest: dict[int, Any] = {number: content(one) for number, one in firsts.items()}
    alive = dict.fromkeys(firsts, True)
    said: dict[int, list[Any]] = {number: [one] for number, one in latest.items()}
    for one in changes:
        number = one["id"]
        if one["kind"] == "cleared":
            alive |= {known: False for known in alive if known <= number}
        elif one["kind"] == "deleted":
            if not alive.get(number):
                yield f"{chat}: {number} is deleted twice"
            alive[number] = False
        else:
            found = content(one["message"])
            if found == latest.get(number) and alive.get(number):
                yield f"{chat}: {number} has the same version twice"
            latest[number], alive[number] = found, True
            said.setdefault(number, []).append(found)
    folder = archive.parent / "truth"
    dc.control("truth", folder=str(folder), chats=[chat], account=0)
    truth = {one["id"]: content(one) for one in map(json.loads, (folder / "0" / f"{chat}.jsonl").open())}
    living = {number for number, is_alive in alive.items() if is_alive}
    if lost := truth.keys() - living:
        yield f"{chat}: lost {sorted(lost)[:9]}"
    if dead := living - truth.keys():
        yield f"{chat}: alive, though deleted: {sorted(dead)[:9]}"
    if other := [number for number in truth.keys() & living if truth[number] != latest[number]]:
        yield f"{chat}: another content: {sorted(other)[:9]}"
    real: dict[int, list[Any]] = defaultdict(list)
    for version in dc.control("versions", chat=chat):
        if version["message"]:
            real[version["id"]].append(content(version["message"]))
    for number, versions in said.items():
        strange = [one for one in versions[1:] if one not in real[number]]
        if strange and number in real:
            yield f"{chat}: {number} has a version that never was"


def _lines(archive: Path, chat: int, name: str) -> list[dict[str, Any]]:
    path = archive / "chats" / str(chat) / f"{name}.jsonl"
    return [json.loads(line) for line in path.open()] if path.exists() else []
