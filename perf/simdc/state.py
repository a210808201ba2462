"""What a server keeps over a restart: auth keys, who is logged in, takeouts."""
from __future__ import annotations

import json
import os
from pathlib import Path

from tgbulk.perf.simdc.auth_key import AuthKey
from tgbulk.perf.simdc.ledger import Ledger
from tgbulk.perf.simdc.world import World


def load(path: Path, ledger: Ledger, world: World) -> None:
    """Fill the ledger from a state file; a missing file is an empty one. Raises ValueError for another world's."""
    if not path.exists():
        return
    state = json.loads(path.read_text())
    if state["seed"] != world.seed or state["accounts"] > len(world.accounts):
        raise ValueError(f"{path} was written for seed {state['seed']} and {state['accounts']} accounts")
    for row in state["keys"]:
        key = AuthKey.create(bytes.fromhex(row["secret"]), row["dc_id"], row["first_salt"], row["made"])
        if row["account"] is not None:
            key.login.account = world.accounts[row["account"]]
        ledger.keys[key.login.key_id] = key
    ledger.takeouts.update((int(takeout_id), index) for takeout_id, index in state["takeouts"].items())


def save(path: Path, ledger: Ledger, world: World) -> None:
    """Write the state file, whole or not at all."""
    rows = [
        {
            "secret": key.secret.hex(),
            "dc_id": key.dc_id,
            "first_salt": key.first_salt,
            "made": key.made,
            "account": None if key.login.account is None else key.login.account.index,
        }
        for key in ledger.keys.values()
    ]
    state = {"seed": world.seed, "accounts": len(world.accounts), "keys": rows, "takeouts": ledger.takeouts}
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(state))
    os.replace(fresh, path)
