"""`tgbulk render jsonl`, `csv`, `parquet` and `sqlite`: the formats of the flat record."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tgbulk.cli.render import RenderTarget, render_format, with_target
from tgbulk.stages.archive.versions import Versions
from tgbulk.stages.render.column import Column
from tgbulk.stages.render.csv import Csv
from tgbulk.stages.render.jsonl import Jsonl
from tgbulk.stages.render.parquet import Parquet
from tgbulk.stages.render.selection import choose
from tgbulk.stages.render.sqlite import Sqlite
from tgbulk.stages.render.sqlite_schema import TOKENIZERS

Command = TypeVar("Command", bound=Callable[..., Any])


def _with_columns(command: Command) -> Command:
    """Give a click command --columns, and the outcome as its `columns`."""

    @click.option("--columns", "names", metavar="NAMES", help="Only these columns of messages, with commas between.")
    @functools.wraps(command)
    def wrapped(*, names: str | None, **options: Any) -> Any:
        chosen = None if names is None else tuple(one.strip() for one in names.split(",") if one.strip())
        return command(columns=choose(chosen), **options)

    return wrapped  # type: ignore[return-value]


def _with_split(default: str, *more: str) -> Callable[[Command], Command]:
    choices = click.Choice(["chat", *more, "none"])
    return click.option("--split", type=choices, default=default, show_default=True,
                        help="Files by chat or by month, or one for all.")


def _with_versions(command: Command) -> Command:
    return click.option("--versions", type=click.Choice(["latest", "first", "all"]), default="latest", show_default=True,
                        help="Of an edited message its latest form, the first one, or a row for each.")(command)


@click.command(context_settings={"ignore_unknown_options": True})
@with_target("UTC")
@_with_columns
@_with_split("chat", "month")
@_with_versions
def jsonl(target: RenderTarget, columns: tuple[Column, ...], split: str, versions: Versions) -> None:
    """JSON Lines: one flat object a message, every key in every line.

    Writes message/<chat>.jsonl, peer.jsonl and chat.jsonl into OUT.
    """
    render_format(Jsonl(columns, split, target.zone, versions=versions), target)


@click.command(context_settings={"ignore_unknown_options": True})
@with_target("UTC")
@_with_columns
@_with_split("chat", "month")
@_with_versions
@click.option("--excel", is_flag=True, help="For spreadsheets: a byte order mark, and no cell that is taken for a formula.")
def csv(target: RenderTarget, columns: tuple[Column, ...], split: str, versions: Versions, excel: bool) -> None:
    """CSV as RFC 4180 has it, lists as JSON in their cells.

    Writes message/<chat>.csv, peer.csv and chat.csv into OUT.
    """
    render_format(Csv(columns, split, target.zone, excel, versions=versions), target)


@click.command(context_settings={"ignore_unknown_options": True})
@with_target("UTC")
@_with_columns
@_with_split("chat", "month")
@_with_versions
def parquet(target: RenderTarget, columns: tuple[Column, ...], split: str, versions: Versions) -> None:
    """Parquet, for DuckDB, pandas, polars and Spark. Needs pyarrow, the extra tgbulk[parquet].

    Writes message/<chat>/part-00000.parquet and so on, peer.parquet and chat.parquet into OUT.
    """
    render_format(Parquet(columns, split, target.zone, versions=versions), target)


@click.command(context_settings={"ignore_unknown_options": True})
@with_target("UTC")
@_with_columns
@_with_split("none")
@click.option("--fts", type=click.Choice(list(TOKENIZERS)), default="unicode61", show_default=True,
              help="How texts are cut for the search; trigram for Chinese, Japanese and Thai.")
def sqlite(target: RenderTarget, columns: tuple[Column, ...], split: str, fts: str) -> None:
    """A SQLite database with a full-text search.

    Writes chat.db into OUT, or <chat>.db for each chat.
    """
    render_format(Sqlite(columns, split, target.zone, fts), target)
