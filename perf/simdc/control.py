"""JSON lines over a loopback port: what tests, demo and benches ask of a running server."""
from __future__ import annotations

import asyncio
import base64
import json
import traceback
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from tgbulk.perf.simdc import alteration, belonging, migration, mutation
from tgbulk.perf.simdc.box import Boxes, BoxFault
from tgbulk.perf.simdc.bulk import BulkHistory
from tgbulk.perf.simdc.corpus.line import converted
from tgbulk.perf.simdc.fault import Fault
from tgbulk.perf.simdc.flood import Limit
from tgbulk.perf.simdc.server import Server
from tgbulk.perf.simdc.truth import write_truth

Command = Callable[[Server, dict[str, Any]], Any]

#: value of "do" -> command
COMMANDS: dict[str, Command] = {}

#: settings of the ledger that `set` may change
LEDGER_SETTINGS = {"takeout_delay", "code_lifetime", "token_lifetime", "reference_lifetime"}
FAULT_SETTINGS = {field.name for field in fields(Fault)} - {"random"}


class ControlError(Exception):
    """A request that makes no sense; told to whoever asked."""


def command(do: str) -> Callable[[Command], Command]:
    """Register a function (server, request) -> JSON value as the command of this name."""

    def register(function: Command) -> Command:
        COMMANDS[do] = function
        return function

    return register


async def listen(server: Server, host: str, port: int) -> asyncio.Server:
    """Answer every line `{"do": ...}` with a line `{"ok": true, "result": ...}` or `{"ok": false, "error": ...}`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(answer(server, line)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    return await asyncio.start_server(serve, host, port)


def answer(server: Server, line: bytes) -> dict[str, Any]:
    """The answer to one line."""
    try:
        request = json.loads(line)
        function = COMMANDS.get(request.pop("do"))
        if function is None:
            raise ControlError(f"unknown command, there are {', '.join(sorted(COMMANDS))}")
        return {"ok": True, "result": function(server, request)}
    except Exception as error:
        if not isinstance(error, ControlError | ValueError):
            traceback.print_exc()
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}


@command("counters")
def counters(server: Server, request: dict[str, Any]) -> dict[str, Any]:
    """Everything counted since the start or the last reset."""
    return server.counter.to_dict()


@command("reset")
def reset(server: Server, request: dict[str, Any]) -> None:
    """Count from zero."""
    server.counter.reset()


@command("asked")
def asked(server: Server, request: dict[str, Any]) -> list[tuple[float, int, int, str, int]]:
    """The rows of perf.simdc.asked from the place `start` on; the first call begins the log."""
    server.dispatcher.asked.on = True
    return server.dispatcher.asked.rows[request.get("start", 0) :]


@command("set")
def set_settings(server: Server, request: dict[str, Any]) -> None:
    """Change faults, lifetimes (seconds), takeout delay (seconds), `gzip`, and which family of addresses is `listed`."""
    for name, value in request.items():
        if name in FAULT_SETTINGS:
            setattr(server.dispatcher.fault, name, value)
        elif name in LEDGER_SETTINGS:
            setattr(server.ledger, name, float(value))
            server.ledger.takeout_due.clear()
        elif name == "listed":
            server.ledger.listed = str(value)
        elif name == "gzip":
            server.dispatcher.gzip = bool(value)
        else:
            raise ControlError(f"no setting {name}")


@command("flood")
def flood(server: Server, request: dict[str, Any]) -> None:
    """Limit a method to `rate` calls a second and `burst` at once, inside takeouts if `takeout`; no rate lifts it."""
    rate = request.get("rate")
    limit = None if rate is None else Limit(float(rate), float(request.get("burst", 1)))
    server.dispatcher.flood.set(request["method"], limit, takeout=bool(request.get("takeout")))


@command("lie")
def lie(server: Server, request: dict[str, Any]) -> None:
    """Answer `method` wrongly from now on, by the `lie` of perf.simdc.lie and its options; no lie: truthfully again."""
    server.dispatcher.liar.set(request.pop("method"), request.pop("lie", None), **request)


@command("revoke")
def revoke(server: Server, request: dict[str, Any]) -> int:
    """Log every auth key of an account out; how many there were."""
    keys = server.ledger.keys_of(server.world.accounts[request["account"]])
    for key in keys:
        server.ledger.logged_in(key.login, None)
    return len(keys)


@command("drop")
def drop(server: Server, request: dict[str, Any]) -> None:
    """Cut every connection now."""
    server.hub.drop()


@command("truth")
def truth(server: Server, request: dict[str, Any]) -> None:
    """Write the ground truth to `folder`; perhaps of one `account` (index) alone, or of some `chats` (marked ids)."""
    write_truth(server.world, Path(request["folder"]), request.get("account"), request.get("chats"))


@command("mutate")
def mutate(server: Server, request: dict[str, Any]) -> Any:
    """Let messages arrive, change or go: see perf.simdc.mutation.apply."""
    return mutation.apply(server.world, request)


@command("alter")
def alter(server: Server, request: dict[str, Any]) -> None:
    """Change who a chat is: see perf.simdc.alteration.apply."""
    alteration.apply(server.world, request)


@command("belong")
def belong(server: Server, request: dict[str, Any]) -> Any:
    """Change what belongs to a `chat`: see perf.simdc.belonging.apply. What an export must have of it then."""
    belonging.apply(server.world, request)
    return belonging.truth(server.world, request["chat"], request.get("account", 0))


@command("spoil")
def spoil(server: Server, request: dict[str, Any]) -> None:
    """Send these bytes (`data`, base64) as the message `id` of the bulk `chat`; no bytes make it whole again."""
    history = server.world.histories[request["chat"]]
    if not isinstance(history, BulkHistory):
        raise ControlError("only a bulk chat can be spoilt")
    history.spoil(request["id"], base64.b64decode(request["data"]))


@command("boxes")
def boxes(server: Server, request: dict[str, Any]) -> dict[str, Any]:
    """Change what goes wrong with updates, by the names of perf.simdc.box.BoxFault; the pushes so far."""
    found = Boxes.of(server.world)
    for name, value in request.items():
        if name not in BoxFault.__slots__:
            raise ControlError(f"no setting {name}")
        setattr(found.fault, name, value)
    return {"pushes": server.pusher.count}


@command("push")
def push(server: Server, request: dict[str, Any]) -> int:
    """Push these bytes (base64: `head`, `repeat` times `data`, `tail`) to the first account: to how many clients."""
    head, data, tail = (base64.b64decode(request.get(name, "")) for name in ("head", "data", "tail"))
    return server.pusher.send(server.world.accounts[0], head + data * int(request.get("repeat", 1)) + tail)


@command("pts")
def pts(server: Server, request: dict[str, Any]) -> int:
    """The box of a `chat` (marked id), as the account of this index sees it, 0 by default."""
    account = server.world.accounts[request.get("account", 0)]
    return Boxes.of(server.world).of_chat(account, request["chat"]).pts


@command("versions")
def versions(server: Server, request: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of the messages of a `chat` (marked id), in order: {"id", "pts", "time", "message"}.

    `message` is the message from then on as an archive has it, null from when it was gone. Those of an `account` (index).
    """
    media_hash = server.world.media_hash(server.world.accounts[request.get("account", 0)])
    found = [one for one in Boxes.of(server.world).versions if one.chat == request["chat"]]
    return [
        {"id": one.id, "pts": one.pts, "time": one.time, "message": converted(one.data, media_hash) if one.data else None}
        for one in found
    ]


@command("migrate")
def migrate(server: Server, request: dict[str, Any]) -> int:
    """Make a basic group (`chat`, marked id) a supergroup, whose marked id is the answer."""
    return migration.migrate(server.world, request["chat"])


@command("mutations")
def mutations(server: Server, request: dict[str, Any]) -> Any:
    """Every such change since the start, or `since` a Unix time, in `chat` (marked id) or everywhere."""
    return mutation.log(server.world, request.get("chat"), request.get("since", 0.0))
