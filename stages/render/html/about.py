"""What belongs to a chat beside its messages, as a page: its profile, its members, its admin log, its stories."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.archive.annex import AnnexAbout, AnnexName, LookState, current_items, load_annexes, read_annex
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.html.row import HtmlNames
from tgbulk.stages.render.html.text import escaped, html
from tgbulk.stages.render.service import counted
from tgbulk.stages.render.view import name_of, read_names
from tgbulk.stages.telegram.peer import marked

Tl = dict[str, Any]

_ROLES = {"Creator": "owner", "Admin": "administrator", "Banned": "banned", "Left": "left"}
_HEADINGS = {AnnexName.INFO: "Profile", AnnexName.MEMBERS: "Members", AnnexName.ADMIN_LOG: "Admin log",
             AnnexName.STORIES: "Stories"}
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def has_annexes(snapshot: ChatSnapshot) -> bool:
    return snapshot.folder.annexes.exists()


def about_page(snapshot: ChatSnapshot, clock: Clock) -> str:
    """Its body; of what cannot be read, that."""
    try:
        return "".join(_sections(snapshot, clock))
    except (TgbulkError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f'<p class="hole">What belongs to this chat cannot be read: {escaped(str(error))}</p>\n'


def _sections(snapshot: ChatSnapshot, clock: Clock) -> Iterator[str]:
    peers = read_names(snapshot, lambda peer: name_of(peer).name)
    names = HtmlNames(lambda peer: peers[peer] or "")
    lines = _Lines(names.html, lambda unix: clock.at(unix).words)
    for name, about in load_annexes(snapshot.folder).items():
        items = current_items(read_annex(snapshot.folder, about))
        yield f'<h2 id="{name}">{_HEADINGS[AnnexName(name)]}</h2>\n<p class="details">{lines.state(about)}</p>\n'
        match name:
            case AnnexName.INFO:
                yield from map(lines.profile, (one for key, one in items.items() if key == snapshot.marked_id))
            case AnnexName.MEMBERS:
                yield _list(map(lines.member, items.values()))
            case AnnexName.ADMIN_LOG:
                yield _list(lines.event(one) for _, one in sorted(items.items(), reverse=True))
            case AnnexName.STORIES:
                yield _list(lines.story(one) for _, one in sorted(items.items(), reverse=True))


class _Lines:
    """Items of annexes as HTML."""

    def __init__(self, name: Callable[[int], str], when: Callable[[int], str]) -> None:
        self._name, self._when = name, when

    def state(self, about: AnnexAbout) -> str:
        said = counted(about.items, "item") if about.name != AnnexName.INFO else "as Telegram showed it"
        looked = f"{said}, {self._when(about.ended or about.begun)}"
        if about.state == LookState.COMPLETE:
            return looked
        return f"{looked}; not whole: {escaped(about.reason or 'the look was cut short')}"

    def profile(self, full: Tl) -> str:
        facts = [counted(full[field], noun) for field, noun in (
            ("participants_count", "member"), ("admins_count", "administrator")) if field in full]
        if full.get("slowmode_seconds"):
            facts.append(f"slow mode: {full['slowmode_seconds']} s")
        return f'<div class="text" dir="auto">{escaped(full.get("about", ""))}</div>\n<p>{" · ".join(facts)}</p>\n'

    def member(self, one: Tl) -> str:
        user = marked(one["peer"]) if "peer" in one else one["user_id"]
        role = next((words for ending, words in _ROLES.items() if one["_"].endswith(ending)), "")
        told = [role, escaped(one.get("rank", "")), f"since {self._when(one['date'])}" if "date" in one else ""]
        return f'{self._name(user)} <span class="details">{", ".join(filter(None, told))}</span>'

    def event(self, one: Tl) -> str:
        action = one["action"]
        words = _CAPITAL.sub(" ", action["_"].removeprefix("channelAdminLogEventAction")).lower()
        values = [action[field] for field in ("prev_value", "new_value") if isinstance(action.get(field), str | int)]
        said = f"{escaped(words)}{': ' if values else ''}{' → '.join(escaped(str(value)) for value in values)}"
        return f'{self._name(one["user_id"])}: {said} <span class="details">{self._when(one["date"])}</span>'

    def story(self, one: Tl) -> str:
        pinned = ", pinned" if one.get("pinned") else ""
        text = html(one.get("caption", ""), one.get("entities"))
        return f'<span dir="auto">{text}</span> <span class="details">{self._when(one["date"])}{pinned}</span>'


def _list(items: Iterator[str]) -> str:
    return f'<ul class="list links">\n{"".join(f"<li>{one}</li>{chr(10)}" for one in items)}</ul>\n'
