"""`tgbulk render markdown`."""
from __future__ import annotations

import click

from tgbulk.cli.render import RenderTarget, render_format, with_target
from tgbulk.stages.render.markdown.note import COMMONMARK, OBSIDIAN, PLAIN
from tgbulk.stages.render.markdown.vault import DAY, MESSAGE, MONTH, TOPIC, Markdown


@click.command()
@click.option("--notes", type=click.Choice([DAY, MONTH, MESSAGE, TOPIC]), default=DAY, show_default=True,
              help="What a note holds.")
@click.option("--flavor", type=click.Choice([OBSIDIAN, COMMONMARK, PLAIN]), default=OBSIDIAN, show_default=True,
              help="A vault for Obsidian, Markdown for anything, or plain text for language models.")
@with_target("local")
def markdown(target: RenderTarget, notes: str, flavor: str) -> None:
    """Notes in Markdown: OUT/<marked id>/2024/2024-05-06.md, and files beside them in attachments/.

    What you write below the last line of a note stays there when it is rendered again.
    """
    render_format(Markdown(target.zone, notes, flavor), target)
