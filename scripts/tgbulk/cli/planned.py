"""What `tgbulk fleet plan` is given, as jobs: a list of names or a job file, options of an export, an account's own list."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from tgbulk.cli.chats_file import read_names
from tgbulk.cli.choosing import choose_listed, with_choice
from tgbulk.cli.export import export
from tgbulk.cli.given import CHOOSING, contexts, given
from tgbulk.cli.setting import read_setting
from tgbulk.engine.error import UsageError
from tgbulk.stages.fetch.choice import Choice
from tgbulk.stages.fleet.queue import ChatJob

#: What a list of names does not end in.
_JOB_FILE = ".toml"
#: What says which chats are meant, and what the hosts decide.
_NOT_KEPT = CHOOSING - {"topic", "message"} | {"account", "server", "proxy", "ip"}


def planned(file: str, words: Sequence[str], only: str | None) -> list[ChatJob]:
    """One job a chat. `only`: the account whose chats they are, else that is known of chats from an account's list alone.

    A job file is read as `tgbulk export --job` does. UsageError; what asking for a list can raise.
    """
    named = [] if file.endswith(_JOB_FILE) else [name.text for name in read_names(file, False)]
    source = ["--job", file] if file.endswith(_JOB_FILE) else []
    made = export.make_context("export", [*source, *words, "-o", "archive", *(["--", *named] if named else [])])
    jobs = [job for one in contexts(made) for job in _jobs(one, only)]
    if not jobs:
        raise UsageError(f"{file} has no chats")
    return jobs


def _jobs(part: click.Context, only: str | None) -> list[ChatJob]:
    with part:
        choice = _choice(**{name: part.params[name] for name in _CHOOSING})
    options = tuple(_words({name: value for name, value in given(part).items() if name not in _NOT_KEPT}))
    if not choice.needs_list:
        return [ChatJob(name.text, options, only) for name in choice.names]
    setting = read_setting(*(part.params[name] for name in ("server", "accounts", "verbose", "proxy", "family")))
    names = choose_listed(choice, [setting.access]).names
    return [ChatJob(name.text, options, only or setting.account) for name in names]


@with_choice
def _choice(choice: Choice) -> Choice:
    return choice


#: The parameters of what chooses chats; a topic and a message are options of the export.
_CHOOSING = [str(param.name) for param in _choice.__click_params__]  # type: ignore[attr-defined]


def _words(part: dict[str, Any]) -> list[str]:
    """As on a command line."""
    words: list[str] = []
    for name, value in part.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            for one in value if isinstance(value, list) else [value]:
                words += [f"--{name}", one]
    return words
