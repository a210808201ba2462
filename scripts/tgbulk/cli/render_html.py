"""`tgbulk render html`."""
from __future__ import annotations

import click

from tgbulk.cli.render import RenderTarget, render_format, with_target
from tgbulk.stages.render.html.site import Html


@click.command()
@click.option("--pages", type=click.Choice(["1000", "month"]), default="1000", show_default=True,
              help="Messages a page, or a page a month.")
@with_target("local")
def html(target: RenderTarget, pages: str) -> None:
    """A site to read in a browser: open OUT/index.html.

    It works from files, without the network and without JavaScript; only the search needs scripts. Readers of Telegram
    Desktop's HTML find their class names in it.
    """
    render_format(Html(target.zone, pages == "month"), target)
