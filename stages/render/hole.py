"""What of a chat is not in the archive, in words for people."""
from __future__ import annotations

from operator import itemgetter

from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.archive.statement import counted

#: Holes of one chat that have a line where they are.
MOST = 1000


def holes(snapshot: ChatSnapshot) -> list[list[int | str]]:
    """[first id, sentence] of each run of ids that is missing, ascending."""
    statement = snapshot.statement
    found = [
        (one.lo, f"Messages {one} {words}.")
        for ranges, words in (
            (statement.quarantined, "could not be decoded; the archive keeps them as they came, in quarantine/"),
            (statement.missing, "are not in the archive: the export did not reach them"),
            (statement.filtered, "are not in the archive: they were not asked for"),
        )
        for one in ranges
    ]
    return [list(one) for one in sorted(found, key=itemgetter(0))[:MOST]]


def shortfalls(snapshot: ChatSnapshot) -> list[str]:
    """What there is to say of a chat that is not whole, as sentences."""
    statement, about = snapshot.statement, snapshot.about
    said = []
    if about.state not in ("complete", "gaps"):
        said.append(f"The export of this chat is not complete{f': {about.reason}' if about.reason else ''}.")
    for ranges, words in (
        (statement.quarantined, "could not be decoded"), (statement.missing, "were not reached"),
        (statement.filtered, "were not asked for"),
    ):
        if ranges:
            shown = ", ".join(map(str, ranges[:5]))
            said.append(f"Messages {shown}{' and others' if len(ranges) > 5 else ''} {words}.")
    if statement.withheld:
        said.append(f"Telegram counts {counted(statement.withheld, 'message')} that it does not give.")
    return said
