"""Where an export's options come from: the command line, the environment, a job file, an earlier run; in this order."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from tgbulk.cli.job import NOT_OF_A_JOB, JobError, JobFile, job_params, long_name, read_job
from tgbulk.engine.error import ExitCode, TgbulkError, UsageError
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.request import last_options
from tgbulk.stages.fetch.proxy import masked

#: What of a run is not kept for the next one: where it speaks, and how it is called.
NOT_KEPT = frozenset({
    "job", "again", "retry-failed", "output", "json", "quiet", "log-format", "metrics-port", "metrics-textfile", "summary",
    "verbose", "dry-run", "feed", "wait-lock", "skip-bad", "help", "lease", "lease-fd", "die-with-parent", "parent-pid",
})  # fmt: skip
#: What chooses chats, which --retry-failed does by itself.
CHOOSING = frozenset({
    "chats", "all", "type", "match", "exclude", "exclude-type", "exclude-match", "chats-file", "folder", "exclude-folder",
    "archived", "topic", "message",
})  # fmt: skip
#: Where a context keeps those of a job's other parts, and what was given.
_OTHERS, _GIVEN = "tgbulk.parts", "tgbulk.given"


class NoEarlierRunError(UsageError):
    """{0}: no run kept its options there"""

    advice = "Name the chats and options once more."


class ExportCommand(click.Command):
    """A command whose options may be given before: each has one name in all places."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for param in self.params:
            if isinstance(param, click.Option) and param.envvar is None and long_name(param) not in NOT_OF_A_JOB:
                param.envvar = f"TGBULK_{(self.name or '').upper()}_{long_name(param).upper().replace('-', '_')}"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        opts, _, _ = self.make_parser(ctx).parse_args(list(args))
        if not ctx.default_map and not ctx.resilient_parsing:
            if "job" in opts:
                self._take_job(ctx, read_job(str(opts["job"]), self), args)
            elif opts.get("again") or opts.get("retry"):
                args = self._take_last(ctx, opts, list(args))
        given = self._given(ctx, opts)
        rest = super().parse_args(ctx, args)
        ctx.meta[_GIVEN] = given
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        others: list[click.Context] = ctx.meta.pop(_OTHERS, [])
        if not others:
            return super().invoke(ctx)
        codes = []
        for one in [ctx, *others]:
            codes.append(_code_of(super().invoke, one))
            if codes[-1] is ExitCode.INTERRUPTED:
                break
        worst = set(codes) - {ExitCode.COMPLETE}
        if not worst:
            return None
        ctx.exit(int(worst.pop() if set(codes) == worst or ExitCode.INTERRUPTED in worst else ExitCode.PARTIAL))

    def _take_job(self, ctx: click.Context, job: JobFile, args: list[str]) -> None:
        """Every part is read to its end before the first one begins."""
        made = []
        params = job_params(self)
        for number, part in enumerate(job.parts, 1):
            named = {str(params[name].name): value for name, value in part.items()}
            try:
                made.append(self.make_context(ctx.info_name, list(args), parent=ctx.parent, default_map=named))
            except click.BadParameter as error:
                key = long_name(error.param) if error.param else ""
                if key not in part:
                    raise JobError(f"{job.path}, part {number}", error.format_message()) from error
                raise job.error(number, key, error.format_message()) from error
            except click.UsageError as error:
                raise JobError(f"{job.path}, part {number}", error.format_message()) from error
        ctx.default_map = made[0].default_map
        ctx.meta[_OTHERS] = made[1:]

    def _take_last(self, ctx: click.Context, opts: dict[str, Any], args: list[str]) -> list[str]:
        """The options of the archive's last run; it is named by --output, or in the place of a chat."""
        output = opts.get("archive")
        if not isinstance(output, str):
            chats = [one for one in opts.get("chats") or () if isinstance(one, str)]
            if len(chats) != 1:
                raise click.UsageError("name the archive: tgbulk export ARCHIVE --again", ctx)
            output = chats[0]
            opts["archive"] = output
            del opts["chats"]
            args.remove(output)
            args += ["--output", output]
        kept = last_options(Archive(Path(output)))
        if kept is None:
            if opts.get("again"):
                raise NoEarlierRunError(output)
            return args
        params = job_params(self)
        left_out = CHOOSING if opts.get("retry") else frozenset()
        ctx.default_map = {
            str(params[name].name): value for name, value in kept.items() if name in params and name not in left_out
        }
        return args

    def _given(self, ctx: click.Context, opts: dict[str, Any]) -> dict[str, Any]:
        """What was given, as texts, lists of texts, true or false."""
        found: dict[str, Any] = {}
        for param in self.params:
            value, source = param.consume_value(ctx, opts)
            if source in (ParameterSource.DEFAULT, ParameterSource.PROMPT) or long_name(param) in NOT_KEPT:
                continue
            if isinstance(value, list | tuple):
                if value:
                    found[long_name(param)] = [str(one) for one in value]
            elif value is not None:
                shown = masked(str(value)) if long_name(param) == "proxy" else str(value)
                found[long_name(param)] = value if isinstance(value, bool) else shown
        return found


def given(ctx: click.Context) -> dict[str, Any]:
    """The options that were given, by name, for a later run that needs no repetition of them."""
    found: dict[str, Any] = ctx.meta.get(_GIVEN, {})
    return found


def contexts(ctx: click.Context) -> list[click.Context]:
    """That of each part of a job."""
    return [ctx, *ctx.meta.get(_OTHERS, [])]


def _code_of(invoke: Any, ctx: click.Context) -> ExitCode:
    """One part of a job: that it fails does not stop the others."""
    try:
        with ctx:
            invoke(ctx)
    except click.exceptions.Exit as error:
        return ExitCode(error.exit_code)
    except TgbulkError as error:
        click.echo(f"tgbulk: error: {error}", err=True)
        if error.hint:
            click.echo(f"tgbulk: hint: {error.hint}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode(error.exit_code)
    return ExitCode.COMPLETE
