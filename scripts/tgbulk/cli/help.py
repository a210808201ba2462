"""`tgbulk help`: the documentation, which comes with the package."""
from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

import click

from tgbulk.cli.table import draw
from tgbulk.engine.error import UsageError

#: Endings of pages' names that nobody has to type.
_ENDINGS = ("_guide",)


class UnknownTopicError(UsageError):
    """there is no help about "{0}\""""

    advice = "`tgbulk help` lists the topics; `tgbulk {0} --help` explains a command."


@click.command("help")
@click.argument("topic", required=False)
def help_command(topic: str | None) -> None:
    """Show a page of the documentation, or list the pages.

    On a terminal it opens in your pager.
    """
    pages = find_pages()
    if topic is None:
        draw(("topic", "about"), [[name, _title(page)] for name, page in pages.items()])
        return
    name = topic.lower().removesuffix(".md")
    if name not in pages:
        raise UnknownTopicError(topic)
    click.echo_via_pager(pages[name].read_text("utf-8"))


def find_pages() -> dict[str, Traversable]:
    """Topic -> page, in the order of their names; those of docs/spec are spec/NAME."""
    folder = files("tgbulk") / "docs"
    found = {_topic(page.name): page for page in folder.iterdir() if page.name.endswith(".md")}
    for page in (folder / "spec").iterdir():
        if page.name.endswith(".md"):
            found[f"spec/{_topic(page.name)}"] = page
    return dict(sorted(found.items()))


def _topic(file: str) -> str:
    name = file.removesuffix(".md").lower()
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def _title(page: Traversable) -> str:
    with page.open(encoding="utf-8") as file:
        return next((line.removeprefix("# ").strip() for line in file if line.startswith("# ")), "")
