"""Logging in: into a draft session, which becomes the account's only when Telegram has said yes.

https://core.telegram.org/api/auth, /api/srp and /api/qr-login. Nothing here prompts: an Asker does.
"""
from __future__ import annotations

import asyncio
import base64
import binascii
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from telethon import TelegramClient, errors, events
from telethon.password import compute_check
from telethon.sessions import SQLiteSession, StringSession
from telethon.tl import functions, types
from telethon.utils import get_display_name, parse_phone

from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.account import require_login
from tgbulk.stages.fetch.client import connect, plain
from tgbulk.stages.fetch.error import AccountInUseError, AuthNeededError, LoginError
from tgbulk.stages.fetch.session import Session

#: Shortest and longest time that one QR code is shown, whatever the clocks say.
QR_SECONDS = (3, 60)
#: Codes shown before we give up; Telegram's last half a minute each.
QR_CODES = 20
#: Bytes of a token that a QR code holds; Telegram's have some dozens.
TOKEN_BYTES = 1024
REFUSALS = {
    errors.ApiIdInvalidError: "the API id and the API hash do not belong together",
    errors.ApiIdPublishedFloodError: "this API id is public and Telegram does not let it log in; get your own",
    errors.PhoneNumberInvalidError: "the phone number is not valid; write it with the country code",
    errors.PhoneNumberBannedError: "Telegram has banned this phone number",
    errors.PhoneNumberUnoccupiedError: "the number has no account; make one in an official app first",
    errors.PhoneNumberFloodError: "too many codes were asked for this number; wait some hours",
    errors.PhonePasswordFloodError: "too many wrong passwords; wait some hours",
    errors.PhoneCodeExpiredError: "the code has expired; log in again for a new one",
}
WRONG_CODE = (errors.PhoneCodeInvalidError, errors.PhoneCodeEmptyError)
CODE_PLACES = {
    types.auth.SentCodeTypeApp: "in the Telegram app",
    types.auth.SentCodeTypeSms: "by SMS",
    types.auth.SentCodeTypeCall: "by a phone call",
    types.auth.SentCodeTypeEmailCode: "by e-mail",
    types.auth.SentCodeTypeFragmentSms: "on fragment.com",
}


class Asker(Protocol):
    """Where phone, code and password come from; each may raise a TgbulkError when it has no answer."""

    async def phone(self) -> str: ...

    async def code(self, place: str) -> str:
        """`place` says where Telegram has sent it, as in "by SMS"."""

    async def password(self, hint: str) -> str: ...

    def wrong(self, what: str) -> None:
        """The code or the password was wrong: raise LoginError, or return to be asked again."""

    def show(self, link: str) -> None:
        """Show a tg://login link as a QR code, in place of the one before."""


async def log_in(
    access: Access,
    asker: Asker,
    *,
    by_qr: bool = False,
    session_string: str | None = None,
    force: bool = False,
    notify: Callable[[str], None] = lambda text: None,
) -> tuple[int, str]:
    """Log the account in and keep its session; (user id, display name). notify: lines for people about the connection.

    AccountInUseError where the account has a live login, unless `force`. Whatever fails, a session that was there
    stays as it was.
    """
    session = Session.of(access.home, access.server, access.account)
    session.make_folder()
    with session.lock:
        if not force and session.exists():
            await _refuse_if_alive(access, session)
        draft = session.make_draft()
        try:
            if session_string is not None:
                _plant(draft, session_string)
            async with connect(access, draft, notify=notify) as client:
                if session_string is None:
                    await _enter(client, asker, by_qr)
                else:
                    await require_login(client, access)
                user = await _who(client, access)
            session.keep_draft()
        except AuthNeededError as error:
            raise LoginError(error.args[1]) from error
        finally:
            session.discard_draft()
    return user.id, get_display_name(user)


async def _refuse_if_alive(access: Access, session: Session) -> None:
    with suppress(AuthNeededError):
        async with connect(access, session.path) as client:
            await require_login(client, access)
            user = await _who(client, access)
            raise AccountInUseError(access.account, f"{get_display_name(user)} ({user.id})")


async def _who(client: TelegramClient, access: Access) -> types.User:
    """Whose login it is. AuthNeededError where the server knows of none, whatever it said before."""
    user = await client.get_me()
    if user is None:
        raise AuthNeededError(access.account, "the server says that the login is done, and then knows of none")
    return user


async def _enter(client: TelegramClient, asker: Asker, by_qr: bool) -> None:
    try:
        try:
            await (_by_qr(client, asker) if by_qr else _by_code(client, asker))
        except errors.SessionPasswordNeededError:
            await _by_password(client, asker)
    except tuple(REFUSALS) as error:
        raise LoginError(REFUSALS[type(error)]) from error
    except (errors.BadRequestError, errors.ForbiddenError) as error:
        raise LoginError(plain(error)) from error


async def _by_code(client: TelegramClient, asker: Asker) -> None:
    phone = parse_phone(await asker.phone())
    if phone is None:
        raise LoginError(REFUSALS[errors.PhoneNumberInvalidError])
    sent = await client(functions.auth.SendCodeRequest(phone, client.api_id, client.api_hash, types.CodeSettings()))
    if not isinstance(sent, types.auth.SentCode):
        raise LoginError(f"Telegram answers {type(sent).__name__}, which tgbulk does not know; try --qr")
    place = CODE_PLACES.get(type(sent.type), "in a way that it did not name")
    while True:
        code = await asker.code(place)
        try:
            answer = await client(functions.auth.SignInRequest(phone, sent.phone_code_hash, code))
        except WRONG_CODE:
            asker.wrong("code")
            continue
        if isinstance(answer, types.auth.AuthorizationSignUpRequired):
            raise LoginError(REFUSALS[errors.PhoneNumberUnoccupiedError])
        return


async def _by_password(client: TelegramClient, asker: Asker) -> None:
    while True:
        challenge = await client(functions.account.GetPasswordRequest())
        password = await asker.password(challenge.hint or "")
        try:
            proof = compute_check(challenge, password)
        except ValueError as error:
            raise LoginError("the server's password check is not one that Telethon knows") from error
        try:
            await client(functions.auth.CheckPasswordRequest(proof))
            return
        except errors.PasswordHashInvalidError:
            asker.wrong("password")


async def _by_qr(client: TelegramClient, asker: Asker) -> None:
    scanned = asyncio.Event()

    async def on_scan(_: Any) -> None:
        scanned.set()

    client.add_event_handler(on_scan, events.Raw(types.UpdateLoginToken))
    for _ in range(QR_CODES):
        scanned.clear()
        token = await client(functions.auth.ExportLoginTokenRequest(client.api_id, client.api_hash, []))
        if isinstance(token, types.auth.LoginTokenMigrateTo):
            await client._switch_dc(token.dc_id)
            token = await client(functions.auth.ImportLoginTokenRequest(token.token))
        if isinstance(token, types.auth.LoginTokenSuccess):
            return
        if not isinstance(token, types.auth.LoginToken):
            raise LoginError("Telegram sends from one data centre to the next; try again, or log in by phone")
        if len(token.token) > TOKEN_BYTES:
            raise LoginError(f"the server's login token has {len(token.token):,} bytes, too many for a QR code")
        asker.show("tg://login?token=" + base64.urlsafe_b64encode(token.token).decode().rstrip("="))
        left = (token.expires - datetime.now(UTC)).total_seconds()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(left, QR_SECONDS[0]), QR_SECONDS[1])):
                await scanned.wait()
    raise LoginError("nobody scanned the QR code")


def _plant(draft: Path, session_string: str) -> None:
    """Write what a Telethon StringSession holds into the empty session file."""
    try:
        source = StringSession(session_string)
    except (ValueError, struct.error, binascii.Error):
        # The cause is left out: it can quote the string.
        raise LoginError("the file holds no Telethon session string") from None
    if source.auth_key is None:
        raise LoginError("the session string holds no login")
    target = SQLiteSession(str(draft))
    target.set_dc(source.dc_id, source.server_address, source.port)
    target.auth_key = source.auth_key
    target.close()
