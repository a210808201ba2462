"""Man pages of every command, for those who build a package: python -m tgbulk.cli.man FOLDER (needs click-man)."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click_man.core import generate_man_page

from tgbulk.cli.main import main


def pages(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """(file name, text) of a command and all below it."""
    ctx = click.Context(command, info_name=name, parent=parent)
    yield f"{ctx.command_path.replace(' ', '-')}.1", generate_man_page(ctx)
    if isinstance(command, click.Group):
        for one in command.list_commands(ctx):
            below = command.get_command(ctx, one)
            if below is not None:
                yield from pages(below, one, ctx)


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(main, "tgbulk"):
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
