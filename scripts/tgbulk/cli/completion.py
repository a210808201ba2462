"""`tgbulk completion`, and what it completes of chats: those that were met."""
from __future__ import annotations

from contextlib import suppress

import click
from click.shell_completion import CompletionItem, get_completion_class

from tgbulk.cli.setting import read_setting
from tgbulk.engine.error import TgbulkError
from tgbulk.stages.fetch.session import list_sessions

SHELLS = ("bash", "zsh", "fish")
#: Chats that are offered at most.
MOST = 200


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell: of commands, options, accounts and chats.

    bash, in ~/.bashrc: eval "$(tgbulk completion bash)". zsh, in ~/.zshrc: eval "$(tgbulk completion zsh)". fish:
    tgbulk completion fish > ~/.config/fish/completions/tgbulk.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, "tgbulk", "_TGBULK_COMPLETE").source())


def complete_chats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Usernames that the accounts have met, with titles, from their caches; Telegram is not asked."""
    from tgbulk.stages.fetch.peer_cache import cached_chats

    found: dict[str, str] = {"me": "Saved Messages"}
    with suppress(TgbulkError, OSError):
        for session in list_sessions(read_setting().home):
            found |= {f"@{username}": title for username, title in cached_chats(session.peers)}
    wanted = incomplete.lower()
    items = [CompletionItem(name, help=title) for name, title in found.items() if name.lower().startswith(wanted)]
    return items[:MOST]
