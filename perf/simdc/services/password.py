"""account.getPassword and auth.checkPassword: two-step verification by SRP (core.telegram.org/api/srp)."""
from __future__ import annotations

import secrets
from functools import lru_cache
from hashlib import sha256
from typing import Any

from telethon.password import compute_hash
from telethon.tl import types
from telethon.tl.functions.account import GetPasswordRequest
from telethon.tl.functions.auth import CheckPasswordRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.prime import GENERATOR, SAFE_PRIME
from tgbulk.perf.simdc.services.login import authorized
from tgbulk.perf.simdc.world import Account

_PRIME = SAFE_PRIME.to_bytes(256, "big")
_GENERATOR = GENERATOR.to_bytes(256, "big")


@serves(GetPasswordRequest, anonymous=True)
def get_password(call: Call, request: GetPasswordRequest) -> types.account.Password:
    """The parameters of one proof; 401 where nobody is logged in or half logged in."""
    account = call.login.account or call.login.pending.get("password")
    if account is None:
        raise RpcError(401, "AUTH_KEY_UNREGISTERED")
    answer = types.account.Password(
        new_algo=_algorithm(account.phone), new_secure_algo=types.SecurePasswordKdfAlgoUnknown(),
        secure_random=secrets.token_bytes(256),
    )
    if account.password is None:
        return answer
    srp_id, secret = secrets.randbits(63), secrets.randbits(2048)
    masked = _multiplier() * _verifier(account.password, account.phone)
    public = (masked + pow(GENERATOR, secret, SAFE_PRIME)) % SAFE_PRIME
    call.login.pending["srp"] = (srp_id, secret, public)
    answer.has_password, answer.current_algo, answer.hint = True, _algorithm(account.phone), "simulated"
    answer.srp_id, answer.srp_B = srp_id, public.to_bytes(256, "big")
    return answer


@serves(CheckPasswordRequest, anonymous=True)
def check_password(call: Call, request: CheckPasswordRequest) -> types.auth.Authorization:
    """400 SRP_ID_INVALID for a proof that was not asked for or was used, PASSWORD_HASH_INVALID for a wrong one."""
    account = call.login.account or call.login.pending.get("password")
    if account is None:
        raise RpcError(401, "AUTH_KEY_UNREGISTERED")
    proof = request.password
    if account.password is None or not isinstance(proof, types.InputCheckPasswordSRP):
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    srp_id, secret, public = call.login.pending.pop("srp", (None, 0, 0))
    if proof.srp_id != srp_id:
        raise RpcError(400, "SRP_ID_INVALID")
    client = int.from_bytes(proof.A, "big")
    if len(proof.A) > 256 or client % SAFE_PRIME == 0:
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    if not secrets.compare_digest(proof.M1, _proof(account, account.password, client, secret, public)):
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    return authorized(call, account)


def _proof(account: Account, password: str, client: int, secret: int, public: int) -> bytes:
    """M1 as a client computes it that knows the password."""
    a, b = client.to_bytes(256, "big"), public.to_bytes(256, "big")
    u = int.from_bytes(_hash(a, b), "big")
    shared = pow(client * pow(_verifier(password, account.phone), u, SAFE_PRIME), secret, SAFE_PRIME)
    algorithm = _algorithm(account.phone)
    mixed = bytes(x ^ y for x, y in zip(_hash(_PRIME), _hash(_GENERATOR), strict=True))
    salts = _hash(algorithm.salt1), _hash(algorithm.salt2)
    return _hash(mixed, *salts, a, b, _hash(shared.to_bytes(256, "big")))


@lru_cache
def _verifier(password: str, phone: str) -> int:
    """The client's key for this password, raised; a tenth of a second of hashing, so kept."""
    return pow(GENERATOR, int.from_bytes(compute_hash(_algorithm(phone), password), "big"), SAFE_PRIME)


def _algorithm(phone: str) -> Any:
    salts = (_hash(f"{phone} {n}".encode()) for n in (1, 2))
    return types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow(*salts, GENERATOR, _PRIME)


def _multiplier() -> int:
    return int.from_bytes(_hash(_PRIME, _GENERATOR), "big")


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()
