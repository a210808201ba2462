"""auth.exportLoginToken, importLoginToken, acceptLoginToken: login by QR code (core.telegram.org/api/qr-login)."""
from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

from telethon.tl import types
from telethon.tl.functions.auth import AcceptLoginTokenRequest, ExportLoginTokenRequest, ImportLoginTokenRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.ledger import LoginToken
from tgbulk.perf.simdc.services.login import authorized


@serves(ExportLoginTokenRequest, anonymous=True)
def export_login_token(
    call: Call, request: ExportLoginTokenRequest
) -> types.auth.LoginToken | types.auth.LoginTokenSuccess:
    """A new token; or the login, if this auth key's token was scanned. 401 SESSION_PASSWORD_NEEDED."""
    tokens = call.ledger.tokens
    own = [token for token, waiting in tokens.items() if waiting.login is call.login]
    scanned = next((token for token in own if tokens[token].account is not None), None)
    if scanned is not None:
        return _log_in(call, scanned)
    for token in own:
        del tokens[token]
    token, expires = secrets.token_bytes(32), time.time() + call.ledger.token_lifetime
    tokens[token] = LoginToken(call.login, expires)
    return types.auth.LoginToken(datetime.fromtimestamp(expires, UTC), token)


@serves(ImportLoginTokenRequest, anonymous=True)
def import_login_token(call: Call, request: ImportLoginTokenRequest) -> types.auth.LoginTokenSuccess:
    """The login that belongs to a scanned token; 400 AUTH_TOKEN_INVALID, 401 SESSION_PASSWORD_NEEDED."""
    return _log_in(call, request.token)


@serves(AcceptLoginTokenRequest)
def accept_login_token(call: Call, request: AcceptLoginTokenRequest) -> types.Authorization:
    """What the scanning application calls; 400 AUTH_TOKEN_INVALID, AUTH_TOKEN_EXPIRED, AUTH_TOKEN_ALREADY_ACCEPTED."""
    waiting = call.ledger.tokens.get(request.token)
    if waiting is None:
        raise RpcError(400, "AUTH_TOKEN_INVALID")
    if waiting.account is not None:
        raise RpcError(400, "AUTH_TOKEN_ALREADY_ACCEPTED")
    if time.time() > waiting.expires:
        raise RpcError(400, "AUTH_TOKEN_EXPIRED")
    waiting.account = call.account
    now = datetime.now(UTC)
    call.ledger.push(waiting.login.key_id, bytes(types.UpdateShort(types.UpdateLoginToken(), now)))
    return types.Authorization(
        hash=waiting.login.key_id >> 1, device_model="simulated", platform="", system_version="", api_id=1,
        app_name="simulated", app_version="1", date_created=now, date_active=now, ip="127.0.0.1", country="", region="",
    )


def _log_in(call: Call, token: bytes) -> types.auth.LoginTokenSuccess:
    waiting = call.ledger.tokens.pop(token, None)
    if waiting is None or waiting.account is None:
        raise RpcError(400, "AUTH_TOKEN_INVALID")
    if waiting.account.password is not None:
        call.login.pending["password"] = waiting.account
        raise RpcError(401, "SESSION_PASSWORD_NEEDED")
    return types.auth.LoginTokenSuccess(authorized(call, waiting.account))
