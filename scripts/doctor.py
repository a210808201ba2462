"""`tgbulk doctor`"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from engine.error import ExitCode
from scripts.check import Check, State, check_machine
from scripts.check_account import check_account
from scripts.check_film import check_films
from scripts.setting import Setting, with_setting
from scripts.table import printable
from scripts.transcode import with_device
from stages.transcode.config import TranscodeConfig


@click.command()
@click.option("-o", "--output", default=".", metavar="ARCHIVE", help="Where an export would go (the working folder).")
@click.option("--online", is_flag=True, help="Ask the server too: is the login known, and do the clocks agree?")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, on one line.")
@with_setting
@with_device
def doctor(setting: Setting, transcode: TranscodeConfig, output: str, online: bool, as_json: bool) -> None:
    """Say what this machine can do, and whether an export can run.

    The exit code is 0 when it can; else the one that an export would end with.
    """
    found: list[Check] = []
    for check in _checks(setting, transcode, Path(output), online):
        found.append(check)
        if not as_json:
            _say(check)
    bad = [check for check in found if check.state is State.BAD]
    code = bad[0].code if bad else ExitCode.COMPLETE
    if as_json:
        checks = [asdict(check) | {"code": int(check.code)} for check in found]
        click.echo(orjson.dumps({"ready": not bad, "exit_code": int(code), "checks": checks}))
    else:
        reasons = "; ".join(f"{check.name}: {check.text}" for check in bad)
        click.echo(printable(f"An export cannot run. {reasons}" if bad else "An export can run."))
    if bad:
        raise click.exceptions.Exit(code)


def _checks(setting: Setting, transcode: TranscodeConfig, output: Path, online: bool) -> Iterator[Check]:
    for account in setting.accounts:
        yield from check_account(setting, account, online)
    yield from check_machine(output)
    yield from check_films(transcode)


def _say(check: Check) -> None:
    click.echo(f"{check.state:<4}  {printable(f'{check.name}: {check.text}')}")
    if check.hint and check.state is not State.OK:
        click.echo(f"      {printable(check.hint)}")
