"""auth.sendCode, signIn, logOut; account.updateStatus and getAuthorizations."""
from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

from telethon.tl import types
from telethon.tl.functions.account import GetAuthorizationsRequest, UpdateStatusRequest
from telethon.tl.functions.auth import (
    CancelCodeRequest,
    LogOutRequest,
    ResendCodeRequest,
    SendCodeRequest,
    SignInRequest,
)

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import Account


def authorized(call: Call, account: Account) -> types.auth.Authorization:
    """Log the call's auth key in and answer with the account."""
    call.ledger.logged_in(call.login, account)
    return types.auth.Authorization(View.of(call.world, account).user(account.user_id))


@serves(SendCodeRequest, anonymous=True)
def send_code(call: Call, request: SendCodeRequest) -> types.auth.SentCode:
    """The code is the account's own, always the same; 400 PHONE_NUMBER_INVALID, API_ID_INVALID."""
    if request.api_id <= 0 or not request.api_hash:
        raise RpcError(400, "API_ID_INVALID")
    return _sent(call, _account(call, request.phone_number))


@serves(ResendCodeRequest, anonymous=True)
def resend_code(call: Call, request: ResendCodeRequest) -> types.auth.SentCode:
    """A new code hash for the old one."""
    account = _account(call, request.phone_number)
    _check_hash(call, account, request.phone_code_hash)
    return _sent(call, account)


@serves(CancelCodeRequest, anonymous=True)
def cancel_code(call: Call, request: CancelCodeRequest) -> bool:
    """Forget the code hash."""
    account = _account(call, request.phone_number)
    _check_hash(call, account, request.phone_code_hash)
    del call.login.pending["code"]
    return True


@serves(SignInRequest, anonymous=True)
def sign_in(call: Call, request: SignInRequest) -> types.auth.Authorization:
    """400 PHONE_CODE_EMPTY, PHONE_CODE_EXPIRED, PHONE_CODE_INVALID; 401 SESSION_PASSWORD_NEEDED."""
    account = _account(call, request.phone_number)
    _check_hash(call, account, request.phone_code_hash)
    if not request.phone_code:
        raise RpcError(400, "PHONE_CODE_EMPTY")
    if request.phone_code != account.code:
        raise RpcError(400, "PHONE_CODE_INVALID")
    del call.login.pending["code"]
    if account.password is not None:
        call.login.pending["password"] = account
        raise RpcError(401, "SESSION_PASSWORD_NEEDED")
    return authorized(call, account)


@serves(LogOutRequest)
def log_out(call: Call, request: LogOutRequest) -> types.auth.LoggedOut:
    """The auth key stays and is nobody's."""
    call.ledger.logged_in(call.login, None)
    return types.auth.LoggedOut()


@serves(UpdateStatusRequest)
def update_status(call: Call, request: UpdateStatusRequest) -> bool:
    """Online or not is the same to this server."""
    return True


@serves(GetAuthorizationsRequest)
def get_authorizations(call: Call, request: GetAuthorizationsRequest) -> types.account.Authorizations:
    """One entry for every auth key of this data centre that is logged in as the account."""
    keys = [key for key in call.ledger.keys_of(call.account) if key.dc_id == call.dc_id]
    return types.account.Authorizations(365, [
        types.Authorization(
            hash=0 if key.login is call.login else key.login.key_id >> 1, device_model="simulated", platform="",
            system_version="", api_id=1, app_name="simulated", app_version="1", ip="127.0.0.1", country="", region="",
            date_created=datetime.fromtimestamp(key.made, UTC), date_active=datetime.now(UTC),
            current=key.login is call.login,
        )
        for key in keys
    ])


def _sent(call: Call, account: Account) -> types.auth.SentCode:
    code_hash = secrets.token_hex(9)
    call.login.pending["code"] = (account.phone, code_hash, time.time() + call.ledger.code_lifetime)
    return types.auth.SentCode(types.auth.SentCodeTypeApp(len(account.code)), code_hash)


def _account(call: Call, phone: str) -> Account:
    account = call.world.account_by_phone(phone)
    if account is None:
        raise RpcError(400, "PHONE_NUMBER_INVALID")
    return account


def _check_hash(call: Call, account: Account, code_hash: str) -> None:
    if not code_hash:
        raise RpcError(400, "PHONE_CODE_HASH_EMPTY")
    phone, expected, expires = call.login.pending.get("code", ("", "", 0.0))
    if phone != account.phone or code_hash != expected or time.time() > expires:
        raise RpcError(400, "PHONE_CODE_EXPIRED")
