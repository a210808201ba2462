"""The `tgbulk` command: finds the subcommand, and turns every failure into one line and an exit code."""
from __future__ import annotations

import gc
import importlib
import signal
import sys
import tempfile
import traceback
from typing import Any

import click

from tgbulk.cli.signals import end_by
from tgbulk.cli.stream import ReaderGoneError, flush_output, mend_streams
from tgbulk.engine.error import ExitCode, InterruptedRunError, StorageError, TgbulkError, refusal
from tgbulk.engine.folder import LinkError
from tgbulk.engine.text import printable
from tgbulk.engine.version import VERSION

#: name -> (module, its command, what the help says); a module is imported when its command is called
COMMANDS = {
    "login": ("tgbulk.cli.login", "login", "Log an account in."),
    "accounts": ("tgbulk.cli.accounts", "accounts", "List the accounts on this machine."),
    "logout": ("tgbulk.cli.logout", "logout", "Log an account out."),
    "chats": ("tgbulk.cli.chats", "chats", "List the chats of an account."),
    "resolve": ("tgbulk.cli.resolve", "resolve", "Say which chats names mean."),
    "export": ("tgbulk.cli.export", "export", "Export chats into an archive."),
    "follow": ("tgbulk.cli.follow", "follow", "Export chats, then keep up with what changes."),
    "job": ("tgbulk.cli.job_command", "job", "Check, show or run a job file."),
    "status": ("tgbulk.cli.status", "status", "Show what an archive holds and what is left to do."),
    "verify": ("tgbulk.cli.verify", "verify", "Check an archive byte by byte."),
    "render": ("tgbulk.cli.render", "render", "Write what an archive holds in another form."),
    "merge": ("tgbulk.cli.merge", "merge", "Make one archive of several."),
    "push": ("tgbulk.cli.push", "push", "Publish an archive to a store, also while an export goes on."),
    "pull": ("tgbulk.cli.pull", "pull", "Make chats of a store into chats of an archive."),
    "store": ("tgbulk.cli.store", "store", "Check or prune a store."),
    "fleet": ("tgbulk.cli.fleet", "fleet", "Spread chats and accounts over many hosts."),
    "schema": ("tgbulk.cli.schema", "schema", "Print a JSON Schema of what tgbulk writes."),
    "doctor": ("tgbulk.cli.doctor", "doctor", "Check this machine and its settings."),
    "completion": ("tgbulk.cli.completion", "completion", "Print the completion script of a shell."),
    "help": ("tgbulk.cli.help", "help_command", "Show a page of the documentation."),
    "demo": ("tgbulk.cli.demo", "demo", "Export from a simulated Telegram and check the result."),
}
#: Objects made before the collector looks for garbage: nearly all that an import makes stays, and Python's own 700 make that
#: a sixth of a command's start.
OBJECTS = 100_000


class Commands(click.Group):
    """Subcommands that are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])

    def main(self, *arguments: Any, **options: Any) -> Any:
        gc.set_threshold(OBJECTS)
        mend_streams()
        try:
            return super().main(*arguments, **options)
        except ReaderGoneError:
            sys.exit(ExitCode.COMPLETE)
        except TgbulkError as error:  # of --help, which calls no command
            sys.exit(report(error))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except (click.ClickException, click.exceptions.Exit):
            flush_output()  # the code stays
            raise
        except ReaderGoneError:
            ctx.exit(ExitCode.COMPLETE)
        except TgbulkError as error:
            if ctx.params["verbose"]:
                traceback.print_exc()
            ctx.exit(report(error))
        except KeyboardInterrupt:
            report(InterruptedRunError())
            end_by(signal.SIGINT)
        except click.Abort:
            ctx.exit(report(InterruptedRunError()))
        except LinkError as error:
            ctx.exit(report(PlantedError(error.filename, error.strerror)))
        except Exception as error:
            known = refusal(error)
            if known is not None:
                if ctx.params["verbose"]:
                    traceback.print_exc()
                ctx.exit(report(known))
            ctx.exit(report_bug(error, ctx.params["verbose"]))


class PlantedError(StorageError):
    """{0}: {1}"""

    advice = "Move it away; within an archive, only media/ may be a link."


def report(error: TgbulkError) -> ExitCode:
    """Say on standard error what happened and what to do next."""
    click.echo(printable(f"tgbulk: error: {error}"), err=True)
    if error.hint:
        click.echo(printable(f"tgbulk: hint: {error.hint}"), err=True)
    return error.exit_code


def report_bug(error: Exception, verbose: bool) -> ExitCode:
    """Say that tgbulk itself failed, and where the traceback is."""
    where = "the traceback is above"
    try:
        if not verbose:
            with tempfile.NamedTemporaryFile("w", prefix="tgbulk-", suffix=".txt", delete=False) as file:
                traceback.print_exception(error, file=file)
            where = f"the traceback is in {file.name}"
    except OSError:
        verbose = True  # no folder for it
    if verbose:
        traceback.print_exception(error)
    click.echo(printable(f"tgbulk: error: internal error: {type(error).__name__}: {error}; {where}"), err=True)
    return ExitCode.INTERNAL


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="tgbulk")
@click.option("--verbose", is_flag=True, help="Show tracebacks and the log of the connection.")
def main(verbose: bool) -> None:
    """Export Telegram chats in bulk.

    Exit codes: 0 complete, 2 wrong input, 3 partly done, others in `tgbulk help exit-codes`.
    """
