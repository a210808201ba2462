"""`tgbulk logout`"""
from __future__ import annotations

import asyncio

import click

from tgbulk.cli.setting import Setting, with_setting
from tgbulk.stages.fetch.error import AuthNeededError
from tgbulk.stages.fetch.session import Session


@click.command()
@click.option("--local", is_flag=True, help="Only delete the local files; do not contact Telegram.")
@with_setting
def logout(setting: Setting, local: bool) -> None:
    """Log an account out at Telegram and delete its session."""
    if local:
        session = Session.of(setting.home, setting.server, setting.account)
        if not session.exists():
            raise AuthNeededError(setting.account, "there is no session")
        with session.lock as lock:
            session.remove(lock)
        said = f"deleted the session of account {setting.account}; its login stays in Telegram's list of devices"
    else:
        from tgbulk.stages.fetch.account import log_out

        ended_here = asyncio.run(log_out(setting.access))
        said = f"logged out account {setting.account}"
        if not ended_here:
            said = f"account {setting.account} was not logged in any more; deleted its session"
    click.echo(said, err=True)
