"""`tgbulk render desktop`."""
from __future__ import annotations

import click

from tgbulk.cli.media import parse_categories, parse_size
from tgbulk.cli.render import RenderTarget, render_format, with_target
from tgbulk.stages.render.desktop.format import Desktop
from tgbulk.stages.telegram.medium import CATEGORIES


@click.command()
@with_target("local")
@click.option("--account", is_flag=True, help="One result.json of all chats, as an export of a whole account is.")
@click.option("--media", "kinds", callback=parse_categories, default="all", metavar="KINDS",
              help=f"Which files of the archive: all, none, or some of {','.join(CATEGORIES)}.")
@click.option("--max-size", callback=parse_size, metavar="SIZE", help="Skip larger files: bytes, or like 500K, 20M, 2G.")
@click.option("--copy", is_flag=True, help="Copy files instead of linking to the archive's.")
@click.option("--extra", is_flag=True,
              help="Also what Telegram Desktop leaves out, as the member x: topic, views, album, quote ...")
@click.option("--emoji-ids", is_flag=True, help="Custom emoji by the id of their document.")
def desktop(
    target: RenderTarget,
    account: bool,
    kinds: frozenset[str],
    max_size: int | None,
    copy: bool,
    extra: bool,
    emoji_ids: bool,
) -> None:
    """Write Telegram Desktop's result.json, with photos/, files/ and the other folders beside it.

    OUT/<marked id>/result.json for every chat; the two halves of a group that became a supergroup are one chat.
    """
    format = Desktop(target.zone, account, extra, emoji_ids, tuple(sorted(kinds)), max_size, copy)
    render_format(format, target)
