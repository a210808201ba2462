"""`tgbulk accounts`"""
from __future__ import annotations

import click

from tgbulk.cli.setting import Setting, with_setting
from tgbulk.cli.table import draw
from tgbulk.engine.text import json_line
from tgbulk.stages.fetch.session import Session, list_sessions

HEADINGS = ("account", "server", "user id", "name", "in use by", "file")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_setting
def accounts(setting: Setting, as_json: bool) -> None:
    """List the accounts on this machine, or those of --account, without contacting Telegram.

    A server other than Telegram is shown by the fingerprint of its key.
    """
    asked = click.get_current_context().params.get("accounts")
    found = [_describe(one) for one in list_sessions(setting.home) if not asked or one.account in setting.accounts]
    if as_json:
        for entry in found:
            click.echo(json_line(entry), nl=False)
    elif found:
        draw(HEADINGS, [list(entry.values()) for entry in found])
    else:
        click.echo("no accounts; log in with: tgbulk login", err=True)


def _describe(session: Session) -> dict[str, str | int | None]:
    user_id, name = session.user()
    return {
        "account": session.account,
        "server": session.folder.name,
        "user_id": user_id,
        "name": name,
        "holder": session.lock.holder(),
        "path": str(session.path),
    }
