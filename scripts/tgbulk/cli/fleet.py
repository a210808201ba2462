"""`tgbulk fleet`"""
from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tgbulk.cli.planned import planned
from tgbulk.cli.setting import complete_accounts, read_setting
from tgbulk.cli.store import opened_store, with_store
from tgbulk.cli.table import draw
from tgbulk.engine.error import ExitCode, UsageError
from tgbulk.engine.text import json_line, printable
from tgbulk.stages.fleet.check import require_fit
from tgbulk.stages.fleet.host import Host, HostConfig
from tgbulk.stages.fleet.metrics import fleet_metrics
from tgbulk.stages.fleet.queue import ChatJob, Queue
from tgbulk.stages.run.export import require_session


@click.group()
def fleet() -> None:
    """Spread chats and accounts over many hosts; docs/fleet.md says how.

    The queue is a PostgreSQL database, TGBULK_DATABASE; the archives are in a store, TGBULK_STORE.
    """


@fleet.command(context_settings={"ignore_unknown_options": True})
@click.argument("file")
@click.argument("options", nargs=-1)
@click.option("--only-account", "account", metavar="NAME", help="Chats of this account alone, such as private ones.")
@click.option("--again", is_flag=True, help="Queue chats that were done before as well.")
@click.option("--every", type=click.FloatRange(min=0), metavar="HOURS",
              help="Export these chats again so long after each time they came to their end; 0: no more.")
def plan(file: str, options: tuple[str, ...], account: str | None, again: bool, every: float | None) -> None:
    """Queue the chats that FILE has, one a line (- is standard input), to be exported with OPTIONS, given behind --.

    FILE may be a job file, NAME.toml. Where OPTIONS or the job file choose from an account's list, its chats are queued for
    that account, which is logged in here. What is queued or under way is not queued again. Options that say where an archive
    lies, or how to speak, are the hosts'.
    """
    jobs = planned(file, options, account)
    queued = asyncio.run(_plan(jobs, again, None if every is None else round(every * 3600)))
    click.echo(f"{queued} queued, {len(jobs) - queued} were already", err=True)


@fleet.command()
@click.option("--account", "accounts", multiple=True, metavar="NAME", shell_complete=complete_accounts,
              help='Account that is logged in here ("main"); several may be given.')
@with_store
@click.option("--folder", default="fleet", metavar="FOLDER", help="Where the archives of this host lie (fleet).")
@click.option("--lease", type=click.FloatRange(min=4), default=60.0, metavar="SECONDS",
              help="What this host has goes to others when it is not heard of for so long (60); the same on all hosts.")
@click.option("--every", type=click.FloatRange(min=0.1), default=10.0, metavar="SECONDS",
              help="How often what is new is published (10).")
def host(accounts: tuple[str, ...], url: str, folder: str, lease: float, every: float) -> None:
    """Export chats for accounts that are logged in here, until SIGTERM or Ctrl-C.

    Each account is used by one host at a time. Exit code 11: handed over in order; 5: no login holds; 75: another host has
    what this one leased, and it is to be started again.
    """
    setting = read_setting(accounts=accounts)  # what it says, the commands that are run read themselves
    for access in setting.accesses:
        require_session(access)
    require_fit(opened_store(url, make=True))
    config = HostConfig(url, setting.accounts, Path(folder).absolute(), lease, every)
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("procrastinate", "psycopg"):  # what they have to say is said here
        logging.getLogger(name).setLevel(logging.CRITICAL)
    code = asyncio.run(_host(config))
    if code:
        raise click.exceptions.Exit(code)


@fleet.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: jobs by queue and status, chats under way.")
@click.option("--metrics", is_flag=True, help="The numbers as Prometheus reads them.")
def status(as_json: bool, metrics: bool) -> None:
    """Show how many chats are queued (todo, later), under way (doing), done and failed, and which hosts work."""
    counts, running = asyncio.run(_status())
    if metrics:
        click.echo(fleet_metrics(counts, running), nl=False)
        return
    if as_json:
        sys.stdout.buffer.write(json_line({"jobs": counts, "running": running}))
        return
    draw(("queue", "status", "chats"), [[one["queue_name"], one["status"], str(one["jobs"])] for one in counts])
    for one in running:
        beat = "no host" if one["beat"] is None else f"heartbeat {one['beat']:.0f} s ago"
        click.echo(printable(f"{one['chat']}: {beat}, begun {one['attempts']} times before"), err=True)


def _database() -> str:
    """Never an option: it may have a password in it, and other users can read options."""
    found = read_setting().database
    if found is None:
        raise UsageError("which database? set TGBULK_DATABASE to postgresql://USER@HOST/NAME")
    return found


async def _plan(jobs: Sequence[ChatJob], again: bool, every: int | None) -> int:
    async with Queue(_database()) as queue:
        return await queue.plan(jobs, again, every)


async def _status() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    async with Queue(_database()) as queue:
        return await queue.counts(), await queue.running()


async def _host(config: HostConfig) -> ExitCode:
    def say(text: str) -> None:
        click.echo(printable(f"tgbulk: {text}"), err=True)

    async with Queue(_database()) as queue:
        running = Host(queue, config, say)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, running.stop)
        await running.run()
    for account, why in running.dropped.items():
        say(f"account {account} stopped: {why}")
    return ExitCode.INTERRUPTED if running.stopping.is_set() else ExitCode.AUTH
