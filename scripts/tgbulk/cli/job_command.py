"""`tgbulk job`: run, check, show, schema."""
from __future__ import annotations

import click
import orjson

from tgbulk.cli.export import export
from tgbulk.cli.given import ExportCommand
from tgbulk.cli.job import read_job, schema
from tgbulk.engine.text import json_line
from tgbulk.stages.archive.statement import counted
from tgbulk.stages.fetch.proxy import masked


@click.group()
def job() -> None:
    """Check, show or run a job file: the chats and options of exports, in TOML."""


@job.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("file")
@click.pass_context
def run(ctx: click.Context, file: str) -> None:
    """Run the exports of FILE, one after the other: tgbulk export --job FILE. Options behind FILE win over its own."""
    with export.make_context("export", ["--job", file, *ctx.args], parent=ctx) as made:
        export.invoke(made)


@job.command()
@click.argument("file")
def check(file: str) -> None:
    """Say what is wrong with FILE, without doing anything."""
    _parse(file)
    click.echo(f"{file}: {counted(len(read_job(file, export).parts), 'part')}, nothing is wrong", err=True)


@job.command()
@click.argument("file")
def show(file: str) -> None:
    """Show the options of each part of FILE as an export would take them, a JSON object a line."""
    _parse(file)
    for part in read_job(file, export).parts:
        shown = part | ({"proxy": masked(str(part["proxy"]))} if "proxy" in part else {})
        click.echo(json_line(shown), nl=False)


@job.command("schema")
def show_schema() -> None:
    """Show the JSON Schema of job files."""
    click.echo(orjson.dumps(schema(export), option=orjson.OPT_INDENT_2))


def _parse(file: str) -> None:
    assert isinstance(export, ExportCommand)
    export.make_context("export", ["--job", file])
