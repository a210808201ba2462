"""`tgbulk login`"""
from __future__ import annotations

import asyncio
import io
import os
import stat
import sys
from pathlib import Path

import click

from tgbulk.cli.prompt import NoAnswerError, ask
from tgbulk.cli.setting import Setting, with_setting
from tgbulk.cli.stream import steer
from tgbulk.engine.error import UsageError
from tgbulk.engine.modes import how_to_close
from tgbulk.engine.text import printable
from tgbulk.stages.fetch.error import LoginError

#: How often a code or password may be typed.
ATTEMPTS = 3
#: Characters of a password in a file, at most.
LONGEST = 4096


@click.command()
@click.option("--phone", metavar="NUMBER", help="Phone number with the country code; prompts if not given.")
@click.option("--code", metavar="CODE", help="The login code; prompts if not given.")
@click.option(
    "--password-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Read the two-step password from the first line of this file.",
)
@click.option("--qr", is_flag=True, help="Show a QR code to scan with a device that is logged in.")
@click.option(
    "--session-string-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Import the Telethon session string on the first line of this file.",
)
@click.option("--force", is_flag=True, help="Replace the account's login if there is one.")
@with_setting
def login(
    setting: Setting,
    phone: str | None,
    code: str | None,
    password_file: Path | None,
    qr: bool,
    session_string_file: Path | None,
    force: bool,
) -> None:
    """Log an account in, by code, by QR code or from a session string."""
    from tgbulk.stages.fetch.login import log_in

    if qr + (session_string_file is not None) + (phone is not None or code is not None) > 1:
        raise UsageError("--qr, --session-string-file and --phone with --code exclude each other")
    password = None if password_file is None else read_secret(password_file)
    session_string = None if session_string_file is None else read_secret(session_string_file)
    access = setting.access
    if access.server is not None:  # before it gets a phone number
        click.echo(f"tgbulk: logging in to {printable(access.server_name)}, which is not Telegram", err=True)
    user_id, name = asyncio.run(
        log_in(
            access,
            TerminalAsker(phone, code, password),
            by_qr=qr,
            session_string=session_string,
            force=force,
            notify=lambda text: click.echo(f"tgbulk: {printable(text)}", err=True),
        )
    )
    click.echo(f"logged in as {printable(name)} ({user_id}) as account {setting.account}", err=True)
    if sys.stderr.isatty():
        account = "" if setting.account == "main" else f" --account {setting.account}"
        click.echo(f"next: tgbulk chats{account}, then tgbulk export{account} CHAT -o ARCHIVE", err=True)


class TerminalAsker:
    """Answers with what the options gave, and asks on the terminal for the rest."""

    def __init__(self, phone: str | None, code: str | None, password: str | None) -> None:
        self._phone = phone
        self._given = {"code": code, "password": password}
        self._left = {"code": ATTEMPTS, "password": ATTEMPTS}
        self._drawn = 0

    async def phone(self) -> str:
        return self._phone or await self._ask("Phone number with the country code", "--phone")

    async def code(self, place: str) -> str:
        return self._given["code"] or await self._ask(f"Login code, sent {place}", "--code")

    async def password(self, hint: str) -> str:
        if self._given["password"] is not None:
            return self._given["password"]
        question = f"Two-step password (hint: {hint})" if hint else "Two-step password"
        return await self._ask(question, "--password-file", secret=True)

    def wrong(self, what: str) -> None:
        self._left[what] -= 1
        if self._given[what] is not None or not self._left[what]:
            raise LoginError(f"the {what} is wrong")
        click.echo(f"The {what} is wrong.", err=True)

    def show(self, link: str) -> None:
        import segno

        picture = io.StringIO()
        segno.make_qr(link, error="l").terminal(picture, border=2, compact=True)
        lines = [*picture.getvalue().splitlines(), link, "Scan it: Settings > Devices > Link Desktop Device"]
        if self._drawn and sys.stderr.isatty():
            steer(f"\x1b[{self._drawn}A\x1b[J")
        self._drawn = len(lines)
        click.echo("\n".join(lines), err=True)

    async def _ask(self, question: str, option: str, *, secret: bool = False) -> str:
        try:
            return await ask(question, secret=secret)
        except NoAnswerError:
            raise LoginError(f"standard input has ended before the answer; give {option}") from None


def read_secret(path: Path) -> str:
    """The first line of a file; UsageError where it cannot be read or holds nothing. Warns where others can read it."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.readline(LONGEST + 1).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise UsageError(f"{path}: {reason}") from None
    if not line:
        raise UsageError(f"{path}: its first line is empty")
    if len(line) > LONGEST:
        raise UsageError(f"{path}: its first line has more than {LONGEST:,} characters")
    if stat.S_ISREG(mode) and mode & 0o077:
        click.echo(f"tgbulk: warning: others can read {path} ({how_to_close(path, 0o600)})", err=True)
    return line
