"""`tgbulk demo`: the main job, from login to a checked archive, without a Telegram account."""
from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import orjson

from tgbulk.engine.error import TgbulkError
from tgbulk.perf.proof import differences, truth_chats
from tgbulk.stages.archive.folder import Archive

#: A public channel that the account has not joined.
PUBLIC = "@sim_unjoined"


class DemoError(TgbulkError):
    """the demo failed: {0}"""


@click.command()
@click.option("-o", "--output", "archive", default="demo-archive", show_default=True, help="Folder of the archive.")
def demo(archive: str) -> None:
    """Export a small account from a simulated Telegram and check every message.

    Starts a simulated Telegram data centre on this machine, logs in to it, exports every chat of an account that has one of
    each kind, compares the archive with what the data centre really holds, and renders it to pages beside it.
    """
    from tgbulk.perf.simdc.launcher import SimDC

    click.echo("Starting a simulated Telegram data centre ...", err=True)
    with SimDC() as dc:
        home = dc.server_file.parent / "home"
        # The demo's own account: nothing that is set for real use may lead it elsewhere.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("TGBULK_", "TELEGRAM_"))}
        environment |= {"TGBULK_HOME": str(home), "TGBULK_SERVER": str(dc.server_file), "TGBULK_PROXY": "none"}
        account = dc.accounts[0]
        _run(environment, "login", "--phone", f"+{account['phone']}", "--code", account["code"])
        dialogs = [orjson.loads(line) for line in _run(environment, "chats", "--json").splitlines()]
        truth = dc.server_file.parent / "truth"
        dc.control(do="truth", folder=str(truth))
        expected = truth_chats(truth / "0")
        readable = [str(dialog["id"]) for dialog in dialogs if dialog["id"] in expected]
        _run(environment, "export", *readable, PUBLIC, "-o", archive, "--quiet")
        _check(Archive(Path(archive)), truth / "0", expected)
        site = f"{os.path.normpath(archive)}-html"
        _run(environment, "render", "html", archive, "-o", site, "--quiet")
        click.echo(f"Open {site}/index.html in a browser to read them.")


def _run(environment: dict[str, str], *words: str) -> bytes:
    """A tgbulk command, as people would give it; its standard output."""
    shown = shlex.join(["tgbulk", *words])
    click.echo(f"$ {shown if len(shown) < 160 else shown[:100] + ' ... ' + shlex.join(words[-3:])}", err=True)
    done = subprocess.run([sys.executable, "-m", "tgbulk", *words], env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise DemoError(f"tgbulk {words[0]} ended with exit code {done.returncode}")
    return done.stdout


def _check(archive: Archive, truth: Path, chats: list[int]) -> None:
    messages = 0
    wrong = 0
    for marked in chats:
        found = list(differences(archive, truth, marked))
        for difference in found:
            click.echo(f"chat {marked}: {difference}", err=True)
        wrong += bool(found)
        messages += (truth / f"{marked}.jsonl").read_bytes().count(b"\n")
    if wrong:
        raise DemoError(f"{wrong} of {len(chats)} chats differ from what the data centre holds")
    click.echo(f"{len(chats)} chats and {messages:,} messages are equal to what the data centre holds, field by field.")
    click.echo(f"Look at {archive.root}/chats/: a folder a chat, chat.json, messages.jsonl and peers.jsonl in each.")
