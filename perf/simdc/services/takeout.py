"""account.initTakeoutSession and finishTakeoutSession."""
from __future__ import annotations

import math
import secrets
import time

from telethon.tl import types
from telethon.tl.functions.account import FinishTakeoutSessionRequest, InitTakeoutSessionRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves


@serves(InitTakeoutSessionRequest)
def init_takeout(call: Call, request: InitTakeoutSessionRequest) -> types.account.Takeout:
    """A new takeout; 420 TAKEOUT_INIT_DELAY_X until the delay is over that began with the account's first request."""
    ledger, index, now = call.ledger, call.account.index, time.time()
    if ledger.takeout_delay:
        due = ledger.takeout_due.setdefault(index, now + ledger.takeout_delay)
        if now < due:
            raise RpcError(420, f"TAKEOUT_INIT_DELAY_{math.ceil(due - now)}")
    takeout_id = secrets.randbits(62) + 1
    ledger.takeouts[takeout_id] = index
    ledger.save()
    return types.account.Takeout(takeout_id)


@serves(FinishTakeoutSessionRequest)
def finish_takeout(call: Call, request: FinishTakeoutSessionRequest) -> bool:
    """End the takeout that the call is wrapped in; 403 TAKEOUT_REQUIRED outside of one."""
    if call.takeout_id is None:
        raise RpcError(403, "TAKEOUT_REQUIRED")
    del call.ledger.takeouts[call.takeout_id]
    call.ledger.save()
    return True
