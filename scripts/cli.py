"""The `tgbulk` command: finds the subcommand, and turns every failure into one line and an exit code."""
from __future__ import annotations

import importlib
import sys
import tempfile
import traceback
from typing import Any

import click

from engine.error import ExitCode, InterruptedRunError, TgbulkError, shortage
from scripts.stream import ReaderGoneError, flush_output, mend_streams

#: name -> (module, its command, what the help says); a module is imported when its command is called
COMMANDS = {
    "login": ("scripts.login", "login", "Log an account in."),
    "accounts": ("scripts.account", "accounts", "List the accounts on this machine."),
    "logout": ("scripts.logout", "logout", "Log an account out."),
    "chats": ("scripts.chat", "chats", "List the chats of an account."),
    "export": ("scripts.export", "export", "Export chats into an archive."),
    "status": ("scripts.status", "status", "Say what an archive holds and what is left to do."),
    "verify": ("scripts.verify", "verify", "Check an archive byte by byte."),
    "doctor": ("scripts.doctor", "doctor", "Say what this machine can do."),
    "demo": ("scripts.demo", "demo", "Export from a simulated Telegram and check the result."),
}


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])

    def main(self, *arguments: Any, **options: Any) -> Any:
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
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(report(InterruptedRunError()))
        except Exception as error:
            short = shortage(error)
            if short is not None:
                ctx.exit(report(short))
            ctx.exit(report_bug(error, ctx.params["verbose"]))


def report(error: TgbulkError) -> ExitCode:
    """Say on standard error what happened and what to do next."""
    click.echo(f"tgbulk: error: {error}", err=True)
    if error.hint:
        click.echo(f"tgbulk: hint: {error.hint}", err=True)
    return error.exit_code


def report_bug(error: Exception, verbose: bool) -> ExitCode:
    """Say that tgbulk itself failed, and where the traceback is."""
    if verbose:
        traceback.print_exc()
        where = "the traceback is above"
    else:
        with tempfile.NamedTemporaryFile("w", prefix="tgbulk-", suffix=".txt", delete=False) as file:
            traceback.print_exc(file=file)
        where = f"the traceback is in {file.name}"
    click.echo(f"tgbulk: error: internal error: {type(error).__name__}: {error}; {where}", err=True)
    return ExitCode.INTERNAL


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tgbulk", prog_name="tgbulk")
@click.option("--verbose", is_flag=True, help="Show tracebacks and the log of the connection.")
def main(verbose: bool) -> None:
    """Export Telegram chats in bulk.

    Exit codes: 0 complete, 2 wrong input, 3 partly done, others in docs/exit-codes.md.
    """
