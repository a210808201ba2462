"""auth.exportAuthorization and importAuthorization: the way to another data centre."""
from __future__ import annotations

import secrets

from telethon.tl import types
from telethon.tl.functions.auth import ExportAuthorizationRequest, ImportAuthorizationRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.services.login import authorized


@serves(ExportAuthorizationRequest)
def export_authorization(call: Call, request: ExportAuthorizationRequest) -> types.auth.ExportedAuthorization:
    """A secret for one import there; 400 DC_ID_INVALID for this data centre and for one that does not exist."""
    if request.dc_id == call.dc_id or request.dc_id not in call.ledger.addresses:
        raise RpcError(400, "DC_ID_INVALID")
    export_id, secret = secrets.randbits(63), secrets.token_bytes(96)
    call.ledger.exports[export_id] = call.account, request.dc_id, secret
    return types.auth.ExportedAuthorization(export_id, secret)


@serves(ImportAuthorizationRequest, anonymous=True)
def import_authorization(call: Call, request: ImportAuthorizationRequest) -> types.auth.Authorization:
    """Log this auth key in; 400 AUTH_BYTES_INVALID for anything but what was exported to here."""
    account, dc_id, secret = call.ledger.exports.pop(request.id, (None, 0, b""))
    if account is None or dc_id != call.dc_id or secret != request.bytes:
        raise RpcError(400, "AUTH_BYTES_INVALID")
    return authorized(call, account)
