"""Logging in: code, password, QR code, and over to another data centre."""
from __future__ import annotations

import asyncio
from typing import Any

import pytest
from telethon import errors
from telethon.password import compute_check
from telethon.sessions import MemorySession
from telethon.tl import functions, types

from support.wire import PASSWORD, client_of, connected, logged_in, run
from tgbulk.perf.simdc.server import HOME_DC, MEDIA_DC, Server

PHONE = "99966200000"
GUARDED = "99966200001"


def test_login_with_the_code_and_log_out() -> None:
    async def check(server: Server) -> None:
        async with connected(server) as client:
            await client.send_code_request("+" + PHONE)
            assert (await client.sign_in(PHONE, "22222")).id == 101
            assert (await client.get_me()).is_self
            entries = (await client(functions.account.GetAuthorizationsRequest())).authorizations
            assert [entry.current for entry in entries] == [True]
            await client.log_out()
            assert server.ledger.keys_of(server.world.accounts[0]) == []

    run(check)


def test_nobody_may_only_log_in() -> None:
    async def check(server: Server) -> None:
        async with connected(server) as client:
            assert await client.get_me() is None
            with pytest.raises(errors.AuthKeyUnregisteredError):
                await client(functions.updates.GetStateRequest())
            with pytest.raises(errors.AuthKeyUnregisteredError):
                await client(functions.account.GetPasswordRequest())

    run(check)


def test_wrong_phone_code_and_hash() -> None:
    async def check(server: Server) -> None:
        async with connected(server) as client:
            with pytest.raises(errors.PhoneNumberInvalidError):
                await client.send_code_request("4912345")
            sent = await client.send_code_request(PHONE)
            with pytest.raises(errors.PhoneCodeInvalidError):
                await client.sign_in(PHONE, "11111")
            with pytest.raises(errors.PhoneCodeEmptyError):
                await client(functions.auth.SignInRequest(PHONE, sent.phone_code_hash, ""))
            with pytest.raises(errors.PhoneCodeExpiredError):
                await client(functions.auth.SignInRequest(PHONE, "deadbeef", "22222"))
            server.ledger.code_lifetime = -1
            again = await client(functions.auth.ResendCodeRequest(PHONE, sent.phone_code_hash))
            with pytest.raises(errors.PhoneCodeExpiredError):
                await client(functions.auth.SignInRequest(PHONE, again.phone_code_hash, "22222"))

    run(check)


def test_two_step_password() -> None:
    async def check(server: Server) -> None:
        async with connected(server) as client:
            await client.send_code_request(GUARDED)
            with pytest.raises(errors.SessionPasswordNeededError):
                await client.sign_in(GUARDED, "22222")
            assert await client.get_me() is None
            with pytest.raises(errors.PasswordHashInvalidError):
                await client.sign_in(GUARDED, password="wrong battery")
            assert (await client.sign_in(GUARDED, password=PASSWORD)).id == 102

    run(check)


def test_a_proof_of_the_password_counts_once() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server, 1) as client:
            asked = await client(functions.account.GetPasswordRequest())
            proof = compute_check(asked, PASSWORD)
            await client(functions.auth.CheckPasswordRequest(proof))
            with pytest.raises(errors.SrpIdInvalidError):
                await client(functions.auth.CheckPasswordRequest(proof))
            asked = await client(functions.account.GetPasswordRequest())
            nothing = types.InputCheckPasswordSRP(asked.srp_id, bytes(256), bytes(32))
            with pytest.raises(errors.PasswordHashInvalidError):
                await client(functions.auth.CheckPasswordRequest(nothing))

    run(check)


@pytest.mark.parametrize("index", [0, 1])
def test_qr_login(index: int) -> None:
    async def check(server: Server) -> None:
        async with logged_in(server, index) as phone, connected(server) as client:
            code = await client.qr_login()
            waiting = asyncio.create_task(code.wait(20))
            await asyncio.sleep(0)
            await phone(functions.auth.AcceptLoginTokenRequest(code.token))
            if index == 0:
                assert (await waiting).id == 101
            else:
                with pytest.raises(errors.SessionPasswordNeededError):
                    await waiting
                assert (await client.sign_in(password=PASSWORD)).id == 102
            assert (await client.get_me()).id == 101 + index

    run(check)


def test_login_tokens_expire_and_count_once() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as phone, connected(server) as client:
            server.ledger.token_lifetime = -1
            code = await client.qr_login()
            with pytest.raises(errors.AuthTokenExpiredError):
                await phone(functions.auth.AcceptLoginTokenRequest(code.token))
            server.ledger.token_lifetime = 30
            old = code.token
            await code.recreate()
            with pytest.raises(errors.AuthTokenInvalidError):
                await phone(functions.auth.AcceptLoginTokenRequest(old))
            await phone(functions.auth.AcceptLoginTokenRequest(code.token))
            with pytest.raises(errors.AuthTokenAlreadyAcceptedError):
                await phone(functions.auth.AcceptLoginTokenRequest(code.token))
            success = await client(functions.auth.ImportLoginTokenRequest(code.token))
            assert success.authorization.user.id == 101

    run(check)


def test_second_data_centre_by_an_exported_sender() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            sender = await client._borrow_exported_sender(MEDIA_DC)
            config = await client._call(sender, functions.help.GetConfigRequest())
            assert config.this_dc == MEDIA_DC
            assert {(dc.id, dc.port) for dc in config.dc_options} == {
                (dc_id, port) for dc_id, (_, port) in server.ledger.addresses.items()
            }
            (me,) = await client._call(sender, functions.users.GetUsersRequest([types.InputUserSelf()]))
            assert me.id == 101
            await client._return_exported_sender(sender)

    run(check)


def test_exported_authorizations_are_checked() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            for dc_id in (HOME_DC, 3):
                with pytest.raises(errors.DcIdInvalidError):
                    await client(functions.auth.ExportAuthorizationRequest(dc_id))
            exported = await client(functions.auth.ExportAuthorizationRequest(MEDIA_DC))
            with pytest.raises(errors.AuthBytesInvalidError):
                await client(functions.auth.ImportAuthorizationRequest(exported.id, exported.bytes))

    run(check)


def test_two_clients_of_one_key_and_a_takeout() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as first:
            second = client_of(server, session=first.session)
            await second.connect()
            assert (await second.get_me()).id == 101
            takeout = await first(functions.account.InitTakeoutSessionRequest())
            wrapped = functions.InvokeWithTakeoutRequest(takeout.id, functions.updates.GetStateRequest())
            assert (await second(wrapped)).pts == 301
            with pytest.raises(errors.TakeoutInvalidError):
                await first(functions.InvokeWithTakeoutRequest(5, functions.updates.GetStateRequest()))
            with pytest.raises(errors.TakeoutRequiredError):
                await first(functions.account.FinishTakeoutSessionRequest(success=True))
            finish = functions.account.FinishTakeoutSessionRequest(success=True)
            assert await first(functions.InvokeWithTakeoutRequest(takeout.id, finish))
            with pytest.raises(errors.TakeoutInvalidError):
                await first(wrapped)
            await second.disconnect()

    run(check)


def test_state_file_outlives_the_server(tmp_path: Any) -> None:
    session = MemorySession()
    takeouts: list[int] = []

    async def log_in(server: Server) -> None:
        async with logged_in(server, session=session) as client:
            takeouts.append((await client(functions.account.InitTakeoutSessionRequest())).id)

    async def come_back(server: Server) -> None:
        session.set_dc(HOME_DC, *server.ledger.addresses[HOME_DC])
        client = client_of(server, session=session)
        await client.connect()
        assert (await client.get_me()).id == 101
        state = functions.updates.GetStateRequest()
        assert (await client(functions.InvokeWithTakeoutRequest(takeouts[0], state))).pts == 301
        assert server.counter.handshakes == 0
        await client.disconnect()

    run(log_in, state_file=tmp_path / "state")
    run(come_back, state_file=tmp_path / "state")
