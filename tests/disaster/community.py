"""`make community`: exports a channel with posts, comments and members, killed several times on the way, and holds all of it
against the truth.

    PYTHONPATH=tests python -m disaster.community [--posts 20000 --comments 200000 --members 5000 --kills 10]
"""
from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import tgbulk
from support.rig import COMMAND, LEAVE_SECONDS, Rig, ended, left_after
from tgbulk.perf.proof import differences, truth_chats
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.folder import Archive

CHAT = "@sim_town"
EVERYTHING = ("--info", "--comments", "--members", "--admin-log", "--stories", "--quiet")
#: Seconds from a start to its kill, at least; at most the share of an undisturbed export that makes all kills hit it.
SOONEST, LATEST = 1.0, 4.0
#: Seconds that a command may take.
LONGEST = 3600.0
#: Share of the pages that may be asked for in addition, and the same in pages for a small export.
MORE, FEW = 0.02, 8


@dataclass(frozen=True)
class Size:
    """Of the channel."""

    posts: int
    comments: int
    members: int

    @property
    def option(self) -> str:
        return f"town={self.posts}/{self.comments}/{self.members}"


def run(rig: Rig, *words: object) -> subprocess.CompletedProcess[str]:
    """A command that may take long."""
    return subprocess.run(
        [COMMAND, *map(str, words)], env=rig.environment, cwd=rig.home, capture_output=True, text=True, timeout=LONGEST,
        stdin=subprocess.DEVNULL, check=False,
    )


def trial(dc: SimDC, rig: Rig, kills: int, folder: Path, longest: float = LATEST) -> list[str]:
    """Export, killed so often; what of it is not as it should be."""
    archive = folder / "archive"
    chance = random.Random(kills)
    dc.control("reset")
    for _ in range(kills):
        export = rig.start(archive, *EVERYTHING, chats=(CHAT,))
        if not ended(export, chance.uniform(SOONEST, longest)):
            members = list(export.members().values())
            os.killpg(export.process.pid, signal.SIGKILL)
            left_after(LEAVE_SECONDS, members)
        export.close()
    done = run(rig, "export", CHAT, "-o", archive, *EVERYTHING)
    if done.returncode:
        return [f"exit code {done.returncode}: {done.stderr}"]
    verified = run(rig, "verify", archive)
    found = [] if verified.returncode == 0 else [f"verify: {verified.stdout}{verified.stderr}"]
    return found + _compare(dc, archive, folder)


def undisturbed(dc: SimDC, rig: Rig, folder: Path) -> list[str]:
    """The requests of an export that nobody disturbs."""
    dc.control("reset")
    done = run(rig, "export", CHAT, "-o", folder / "calm", *EVERYTHING)
    if done.returncode:
        return [f"exit code {done.returncode}: {done.stderr}"]
    calls = Counter({name: count["calls"] for name, count in dc.counters()["methods"].items()})
    archive = tgbulk.open(folder / "calm")
    pages = sum(ceil(chat.statement.messages / 100) + ceil(len(chat.members) / 200) for chat in archive.chats)
    asked = calls["messages.getHistory"] + calls["channels.getParticipants"]
    print(f"{asked} requests for {pages} pages of messages and members", file=sys.stderr)
    return [f"{asked} requests for {pages} pages"] if asked > pages * (1 + MORE) + FEW else []


def _compare(dc: SimDC, root: Path, folder: Path) -> list[str]:
    truth = folder / "truth" / "0"
    archive = tgbulk.open(root)
    dc.control("truth", folder=str(folder / "truth"), account=0, chats=archive.ids)
    found = [text for chat in truth_chats(truth) for text in differences(Archive(root), truth, chat)]
    channel = archive.chat(CHAT)
    expected = dc.control("belong", chat=channel.id)
    annexes: dict[str, dict[int, Any]] = {
        "members": channel.members,
        "admin_log": {one["id"]: one for one in channel.admin_log},
        "stories": {one["id"]: one for one in channel.stories},
    }
    for name, mine in annexes.items():
        if {str(key): one for key, one in mine.items()} != expected[name]:
            found.append(f"{name} differ: {len(mine)}, not {len(expected[name])}")
        if len(list(channel.history(name))) != len(mine):
            found.append(f"{name} has records that came twice")
    found += [] if (channel.info or {}).get("about") else ["info is missing"]
    for post in channel.messages():
        comments = sum(1 for _ in post.comments) if post.id % 50 == 1 else None
        if comments is not None and comments != post.raw.get("replies", {}).get("replies", 0):
            found.append(f"post {post.id} has {comments} comments")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    for name, default in (("posts", 20_000), ("comments", 200_000), ("members", 5_000), ("kills", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    size = Size(asked.posts, asked.comments, asked.members)
    with tempfile.TemporaryDirectory() as folder, SimDC("--community", size.option) as dc:
        rig = Rig.make(dc, Path(folder, "home"))
        began = time.monotonic()
        found = undisturbed(dc, rig, Path(folder))
        longest = max(LATEST, 2 * (time.monotonic() - began) / max(1, asked.kills))
        found += trial(dc, rig, asked.kills, Path(folder), longest)
        seconds = time.monotonic() - began
        print("\n".join(found) or f"nothing is lost, doubled or different, after {seconds:.0f} s", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
