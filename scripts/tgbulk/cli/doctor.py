"""`tgbulk doctor`"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from tgbulk.cli.check import Check, CheckState, check_account, check_machine, check_videos
from tgbulk.cli.setting import Setting, with_setting
from tgbulk.cli.transcode import with_device
from tgbulk.engine.error import ExitCode
from tgbulk.engine.text import json_line, printable
from tgbulk.stages.transcode.config import TranscodeConfig


@click.command()
@click.option("-o", "--output", default=".", metavar="ARCHIVE",
              help="Folder that an export would write to (the working folder).")
@click.option("--online", is_flag=True, help="Also ask the server: how fast it answers, and through what; login, clock.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, on one line.")
@with_setting
@with_device
def doctor(setting: Setting, transcode: TranscodeConfig, output: str, online: bool, as_json: bool) -> None:
    """Check what this machine can do, and whether an export can run.

    The exit code is 0 if it can, otherwise the one that an export would end with.
    """
    found: list[Check] = []
    for check in _checks(setting, transcode, Path(output), online):
        found.append(check)
        if not as_json:
            _print(check)
    bad = [check for check in found if check.state is CheckState.BAD]
    code = bad[0].code if bad else ExitCode.COMPLETE
    if as_json:
        checks = [asdict(check) | {"code": int(check.code)} for check in found]
        click.echo(json_line({"ready": not bad, "exit_code": int(code), "checks": checks}), nl=False)
    else:
        reasons = "; ".join(f"{check.name}: {check.text}" for check in bad)
        click.echo(printable(f"An export cannot run. {reasons}" if bad else "An export can run."))
    if bad:
        raise click.exceptions.Exit(code)


def _checks(setting: Setting, transcode: TranscodeConfig, output: Path, online: bool) -> Iterator[Check]:
    for account in setting.accounts:
        yield from check_account(setting, account, online)
    yield from check_machine(output)
    yield from check_videos(transcode)


def _print(check: Check) -> None:
    click.echo(f"{check.state:<4}  {printable(f'{check.name}: {check.text}')}")
    if check.hint and check.state is not CheckState.OK:
        click.echo(f"      {printable(check.hint)}")
