"""Removes what no head of some age speaks of. The newest head of a chat always stays, however old."""
from __future__ import annotations

import time
from dataclasses import dataclass

from tgbulk.engine.error import UsageError
from tgbulk.stages.fleet.head import head_folder, head_number, load_head
from tgbulk.stages.fleet.store import ObjectStore

#: Younger objects may be parts of a head that is not there yet.
LEAST_SECONDS = 86400.0


@dataclass(slots=True)
class Pruned:
    """What went."""

    heads: int = 0
    objects: int = 0
    bytes: int = 0


def prune_chat(store: ObjectStore, space: str, chat: int, age: float, now: float | None = None) -> Pruned:
    """Remove heads older than `age` seconds, and parts of that age which no head that stays speaks of.

    Media stay: an archive only ever has more of them. UsageError for an age at which a publisher may need them; StoreError.
    """
    if age < LEAST_SECONDS:
        raise UsageError(f"what is younger than {LEAST_SECONDS:.0f} seconds is not pruned: it may be on its way")
    now = time.time() if now is None else now
    done = Pruned()
    found = [one for one in store.objects(head_folder(space, chat)) if head_number(one.key)]
    heads = sorted(found, key=lambda one: head_number(one.key))
    if not heads:
        return done
    old = [one for one in heads[:-1] if one.modified < now - age]
    kept = [one for one in heads if one not in old]
    spoken: set[str] = set()
    for one in kept:
        spoken |= load_head(store, one.key).objects()
    # Heads go first: what is left when it is killed is still whole, with parts too many.
    store.delete([one.key for one in old])
    folder = head_folder(space, chat)
    rest = [
        one for one in store.objects(f"{space}/{chat}")
        if not one.key.startswith(f"{folder}/") and one.key not in spoken and one.modified < now - age
    ]
    store.delete([one.key for one in rest])
    done.heads, done.objects, done.bytes = len(old), len(rest), sum(one.size for one in [*old, *rest])
    return done
