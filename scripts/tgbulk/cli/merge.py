"""`tgbulk merge`"""
from __future__ import annotations

from pathlib import Path

import click

from tgbulk.cli.signals import stop_in_order
from tgbulk.engine.error import file_error
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.statement import counted
from tgbulk.stages.fleet.merger import merge as merge_archives


@click.command()
@click.argument("archives", nargs=-1, required=True)
@click.option("-o", "--output", "target", required=True, metavar="ARCHIVE", help="Folder of the merged archive, new or old.")
def merge(archives: tuple[str, ...], target: str) -> None:
    """Copy the chats of ARCHIVES into one archive, which `tgbulk export` continues.

    A chat that two of them have is refused, and so are private chats of two accounts, whose ids may mean different chats.
    """
    place = Archive(Path(target))
    with stop_in_order(), place.open():
        try:
            count = merge_archives([Archive(Path(one)) for one in archives], place)
        except OSError as error:
            raise file_error(error, error.filename or place.root) from error
    click.echo(f"{counted(count, 'chat')} in {target}", err=True)
