"""The options that choose chats, the same for every command, and what they come to."""
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeVar

import click

from tgbulk.cli.chats_file import read_names
from tgbulk.cli.completion import complete_chats
from tgbulk.engine.aside import aside
from tgbulk.engine.error import NothingError, UsageError
from tgbulk.engine.text import printable
from tgbulk.stages.archive.about import read_about
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.listed import ListedChat, read_listed
from tgbulk.stages.archive.row import read_journal
from tgbulk.stages.archive.statement import counted
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.choice import TYPES, Choice, Chosen, Entry, Terms, choose, find, fold
from tgbulk.stages.fetch.link import parse_ids
from tgbulk.stages.fetch.name import ChatName, Way, marked_forms, merge_parts, parse_name, part_of
from tgbulk.stages.fetch.part import MOST_RANGES, ChatPart

Command = TypeVar("Command", bound=Callable[..., Any])
#: Basic groups that go on as supergroups and are named one by one.
SHOWN = 5


class NotArchivedError(UsageError):
    """{0!r}: the archive has no such chat"""

    advice = "See: tgbulk status"


class NotListedError(UsageError):
    """{0}: the archive does not know the folders of its chats, and which of them are archived"""

    advice = "An export learns that when it chooses from the account's list: --all, --type, --folder and the like."


class NoArchivedFolderError(UsageError):
    """{0!r}: no chat of the archive is in this folder; there are {1}"""


def _types(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> frozenset[str]:
    words = {word.strip() for one in value for word in one.split(",")} - {""}
    for word in sorted(words - set(TYPES)):
        raise click.BadParameter(f"{word!r} is not among {', '.join(TYPES)}")
    if value and not words:
        raise click.BadParameter("it is empty")
    return frozenset(words)


def with_choice(command: Command) -> Command:
    """Give a click command CHATS and the options that choose chats, and the outcome as its `choice`."""
    for option in reversed(_options()):
        command = option(command)

    @functools.wraps(command)
    def wrapped(
        *, chats: tuple[str, ...], everything: bool, types: frozenset[str], globs: tuple[str, ...],
        excluded: tuple[str, ...], excluded_types: frozenset[str], excluded_globs: tuple[str, ...],
        chats_file: str | None, skip_bad: bool, folders: tuple[str, ...], excluded_folders: tuple[str, ...],
        archived: bool | None, part: tuple[int | None, str | None] = (None, None), **options: Any,
    ) -> Any:
        for word in (str(options.get("archive", "")), *chats):
            _refuse_option(word)
        names = _names(chats, chats_file, skip_bad)
        if any(part):
            names = [_only_part(names, *part)]
        merged = merge_parts(names)
        joined = len(names) - len(merged)
        if joined >= MOST_RANGES and any(one.part and len(one.part.ids) == MOST_RANGES for one in merged):
            _say(f"of one chat more than {MOST_RANGES:,} parts were named: what lies in the smallest gaps comes along")
        choice = Choice(
            tuple(merged), everything, Terms(types, folders, globs), archived,
            Terms(excluded_types, excluded_folders, excluded_globs), tuple(map(parse_name, excluded)),
        )
        return command(choice=choice, **options)

    return wrapped  # type: ignore[return-value]


def _options() -> list[Callable[[Any], Any]]:
    return [
        click.argument("chats", nargs=-1, shell_complete=complete_chats),
        click.option("--all", "everything", is_flag=True, help="Every chat."),
        click.option("--type", "types", multiple=True, callback=_types, metavar="KINDS", help=f"Of {','.join(TYPES)}."),
        click.option("--match", "globs", multiple=True, metavar="GLOB", help="Whose title or username is like this."),
        click.option("--exclude", "excluded", multiple=True, metavar="CHAT", help="Not this one."),
        click.option("--exclude-type", "excluded_types", multiple=True, callback=_types, metavar="KINDS", help="Not these."),
        click.option("--exclude-match", "excluded_globs", multiple=True, metavar="GLOB", help="None like this."),
        click.option("--chats-file", metavar="FILE", help="Names, one a line; - is standard input, # begins a comment."),
        click.option("--skip-bad", is_flag=True, help="Go on without lines of the file that are no names."),
        click.option("--folder", "folders", multiple=True, metavar="NAME", help="In this folder of the account."),
        click.option("--exclude-folder", "excluded_folders", multiple=True, metavar="NAME", help="Not in this folder."),
        click.option("--archived/--no-archived", default=None, help="In Telegram's archive, or not in it."),
    ]


def with_part(command: Command) -> Command:
    """Give a command, above its `with_choice`, the options that name a part of one chat."""

    @click.option("--topic", type=click.IntRange(1, 2**31 - 1), metavar="ID", help="Of the one chat: this topic.")
    @click.option("--message", "messages", metavar="IDS", help="Of the one chat: messages 7,9-12.")
    @functools.wraps(command)
    def wrapped(*, topic: int | None, messages: str | None, **options: Any) -> Any:
        return command(part=(topic, messages), **options)

    return wrapped  # type: ignore[return-value]


def choose_listed(choice: Choice, accesses: Sequence[Access], wait: float = 0.0) -> Chosen:
    """The chats of these accounts that are meant, the first account's first. Only a choice that needs the list asks for it.

    wait: seconds for an account that is in use. Telethon is loaded in a process of its own. What is left out is said on
    standard error.
    """
    if not choice.needs_list:
        return choose(choice, [])
    chosen = choose(choice, aside(partial(_listed, choice, accesses, wait)))
    for line in remarks(chosen):
        click.echo(f"tgbulk: {line}", err=True)
    return chosen


def remarks(chosen: Chosen) -> list[str]:
    """What was left out, and what is meant instead of it, for people."""
    lines = [f"{counted(count, 'chat')} left out: {reason}" for reason, count in sorted(chosen.left_out.items())]
    for title, successor in chosen.migrated[:SHOWN]:
        lines.append(printable(f"the group {title} goes on as its supergroup {successor}"))
    if len(chosen.migrated) > SHOWN:
        lines.append(f"{len(chosen.migrated) - SHOWN} more groups go on as their supergroups")
    return lines


def chosen_ids(choice: Choice, *archives: Archive) -> list[int] | None:
    """The marked ids of an archive's chats that are meant, None for all of them. NotArchivedError, NothingError."""
    if choice == Choice():
        return None
    if not choice.names and not choice.selects:
        choice = replace(choice, everything=True)
    found = choose_archived(choice, archives)
    if not found:
        raise NothingError("no chat of the archive fits")
    return found


def choose_archived(choice: Choice, archives: Sequence[Archive]) -> list[int]:
    """The marked ids of the chats of archives that are meant; NotArchivedError for a name that is none of them.

    A marked id by hand is taken as it is: whoever asks for it learns what is wrong with it.
    """
    entries: list[Entry] = []
    for archive in archives:
        listed = read_listed(archive)
        entries += [_entry(archive, marked_id, listed) for marked_id in sorted(read_journal(archive).chats)]
    if choice.folders or choice.archived is not None:
        entries = _only_listed(choice, archives[0], entries)
    names = tuple(_by_hand(name, entries) for name in choice.names)
    chosen = choose(replace(choice, names=names), [replace(entry, migrated_to=None) for entry in entries])
    return list(dict.fromkeys(int(name.value) for name in chosen.names))


def _by_hand(name: ChatName, entries: list[Entry]) -> ChatName:
    found = find(name, entries)
    if found is None and name.way is Way.ID:
        forms = [entry for form in marked_forms(int(name.value)) for entry in entries if entry.id == form]
        found = forms[0] if len(forms) == 1 else None
        if found is None:
            return replace(name, part=None)
    if found is None:
        raise NotArchivedError(name.text)
    return ChatName(name.text, Way.ID, str(found.id))


def _only_listed(choice: Choice, archive: Archive, entries: list[Entry]) -> list[Entry]:
    """Those of which it is known where they are listed, and those named by hand. NotListedError, NoArchivedFolderError."""
    known = [one for one in entries if one.folders is not None]
    if not known:
        raise NotListedError(archive.root)
    titles = list(dict.fromkeys(title for one in known for title in one.folders or ()))
    for name in choice.folders:
        if fold(name) not in map(fold, titles):
            raise NoArchivedFolderError(name, ", ".join(map(repr, titles)) or "none")
    if len(known) < len(entries):
        others = counted(len(entries) - len(known), "chat")
        _say(f"{others} left out: the archive does not know their folders; an export that chooses from the list learns them")
    by_hand = {found.id for name in choice.names if (found := find(name, entries))}
    return [one for one in entries if one.folders is not None or one.id in by_hand]


def _entry(archive: Archive, marked_id: int, listed: Mapping[int, ListedChat]) -> Entry:
    """The older half of a supergroup is listed where that is."""
    about = read_about(archive, marked_id)
    entry = Entry(marked_id, about.type or "", about.title or "", about.usernames)
    place = listed.get(marked_id) or listed.get(about.migrated_to or 0)
    return replace(entry, archived=place.archived, folders=place.folders) if place else entry


def _listed(choice: Choice, accesses: Sequence[Access], wait: float) -> list[Entry]:
    import asyncio

    from tgbulk.stages.fetch.listing import list_chats

    entries: dict[int, Entry] = {}
    folders: list[str] = []
    for access in accesses:
        listing = asyncio.run(list_chats(access, True, _say, wait))
        if listing.problem is not None:
            raise listing.problem
        folders += listing.folders
        for entry in listing.entries:
            known = entries.get(entry.id)
            if known is None or (known.barrier and not entry.barrier):
                entries[entry.id] = entry
    choice.check_folders(list(dict.fromkeys(folders)))
    return list(entries.values())


def _say(text: str) -> None:
    click.echo(f"tgbulk: {text}", err=True)


def _names(chats: tuple[str, ...], chats_file: str | None, skip_bad: bool) -> list[ChatName]:
    if "-" in chats and chats_file == "-":
        raise click.UsageError("standard input is read once: give - or --chats-file -")
    names: list[ChatName] = []
    for chat in chats:
        names += read_names("-", skip_bad) if chat == "-" else [parse_name(chat)]
    if chats_file is not None:
        names += read_names(chats_file, skip_bad)
    return names


def _refuse_option(word: str) -> None:
    """What begins with one dash may be a marked id, so click lets unknown options pass as arguments."""
    if word.startswith("--"):
        known = [name for param in click.get_current_context().command.params for name in param.opts if name[:2] == "--"]
        raise click.NoSuchOption(word, possibilities=get_close_matches(word.partition("=")[0], known))


def _only_part(names: list[ChatName], topic: int | None, messages: str | None) -> ChatName:
    if topic and messages:
        raise click.UsageError("give --topic or --message")
    if len(names) != 1 or names[0].part:
        raise click.UsageError("--topic and --message go with one chat that is named whole")
    name = names[0]
    if name.way is Way.INVITE or (topic and (name.way is Way.SELF or (name.way is Way.ID and int(name.value) > -10**12))):
        raise click.UsageError(f"{name.text} has no topics" if topic else "--message goes with an id or a username")
    if topic:
        return part_of(name, ChatPart(topic=topic))
    ids = parse_ids(messages or "")
    if not ids:
        raise click.BadParameter(f"{messages!r} is no id (7), and no ids (7-12, or 7,9-12)", param_hint="'--message'")
    return part_of(name, ChatPart(ids))


def require_chats(choice: Choice) -> None:
    """UsageError where nothing says which chats are meant."""
    if not choice.names and not choice.selects:
        raise click.UsageError("no chats were named")
