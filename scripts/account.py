"""`tgbulk accounts`"""
from __future__ import annotations

import click
import orjson

from scripts.setting import Setting, with_setting
from scripts.table import draw
from stages.fetch.session import Session, list_sessions

HEADINGS = ("account", "server", "user id", "name", "in use by", "file")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_setting
def accounts(setting: Setting, as_json: bool) -> None:
    """List the accounts on this machine, without asking Telegram.

    A server other than Telegram goes by the fingerprint of its key.
    """
    found = [_describe(session) for session in list_sessions(setting.home)]
    if as_json:
        for entry in found:
            click.echo(orjson.dumps(entry))
    elif found:
        draw(HEADINGS, [list(entry.values()) for entry in found])
    else:
        click.echo("no accounts; log one in with: tgbulk login", err=True)


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
