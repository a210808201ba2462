"""python -m tgbulk.perf.simdc: serve a simulated Telegram until SIGINT or SIGTERM."""
from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import click

from tgbulk.perf.simdc import control
from tgbulk.perf.simdc.connection import complain
from tgbulk.perf.simdc.corpus.build import build_world
from tgbulk.perf.simdc.flood import Limit
from tgbulk.perf.simdc.server import HOME_DC, MEDIA_DC, Server

HOST, HOST6 = "127.0.0.1", "::1"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to listen; 0 takes a free port."""

    home: int
    media: int
    control: int


def _bulk(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    try:
        return {name: int(count) for name, count in (value.split("=") for value in values)}
    except ValueError as error:
        raise click.BadParameter("give NAME=COUNT") from error


def _files(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    try:
        found = {name: tuple(map(int, shape.split("x"))) for name, shape in (value.split("=") for value in values)}
        return {name: (count, size) for name, (count, size) in found.items()}
    except ValueError as error:
        raise click.BadParameter("give NAME=COUNTxBYTES") from error


def _communities(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    try:
        found = {name: tuple(map(int, sizes.split("/"))) for name, sizes in (value.split("=") for value in values)}
        return {name: (posts, comments, members) for name, (posts, comments, members) in found.items()}
    except ValueError as error:
        raise click.BadParameter("give NAME=POSTS/COMMENTS/MEMBERS") from error


def _limits(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Limit]:
    try:
        return {method: Limit(*map(float, limit.split("/"))) for method, limit in (v.split("=") for v in values)}
    except (ValueError, TypeError) as error:
        raise click.BadParameter("give METHOD=RATE/BURST") from error


#: Not empty once the end was announced.
_announced: list[bool] = []


@click.command()
@click.option("--server-file", type=click.Path(path_type=Path), help="Write where and how to connect, once listening.")
@click.option("--port", default=0, help="Port of the home data centre.")
@click.option("--media-port", default=0, help="Port of the media data centre.")
@click.option("--control-port", default=0, help="Port for JSON lines.")
@click.option("--seed", default=1, show_default=True, help="Everything in the corpus follows from it.")
@click.option("--accounts", default=2, show_default=True, help="People who can log in.")
@click.option("--bulk", multiple=True, callback=_bulk, metavar="NAME=COUNT", help="A supergroup of so many messages.")
@click.option("--files", multiple=True, callback=_files, metavar="NAME=COUNTxBYTES", help="A supergroup of documents.")
@click.option("--community", multiple=True, callback=_communities, metavar="NAME=POSTS/COMMENTS/MEMBERS",
              help="A channel with all that belongs to it.")
@click.option("--truth", type=click.Path(path_type=Path), help="Write the ground truth into this folder at the start.")
@click.option("--latency", default=0.0, help="Milliseconds from request to answer.")
@click.option("--jitter", default=0.0, help="Milliseconds by which the latency varies either way.")
@click.option("--flood", multiple=True, callback=_limits, metavar="METHOD=RATE/BURST", help="Limit a method.")
@click.option("--takeout-flood", multiple=True, callback=_limits, metavar="METHOD=RATE/BURST",
              help="Limit it otherwise in a takeout.")
@click.option("--error-rate", default=0.0, help="Share of requests that get a server error.")
@click.option("--drop-rate", default=0.0, help="Share of requests whose connection is dropped.")
@click.option("--short-rate", default=0.0, help="Share of file parts that are cut short.")
@click.option("--gzip/--no-gzip", default=True, show_default=True, help="Pack large answers.")
@click.option("--state", type=click.Path(path_type=Path), help="Keep auth keys, logins and takeouts here.")
@click.option("--ip", "family", type=click.Choice(["4", "6", "both"]), default="4", help="Where to listen.")
@click.option("--until-eof", is_flag=True, help="End when standard input does.")
@click.option("--heirloom", type=click.Path(path_type=Path), help="A folder to remove if standard input ends unannounced.")
def main(
    server_file: Path | None, port: int, media_port: int, control_port: int, seed: int, accounts: int,
    bulk: dict[str, int], files: dict[str, tuple[int, int]], community: dict[str, tuple[int, int, int]],
    truth: Path | None, latency: float, jitter: float,
    flood: dict[str, Limit], takeout_flood: dict[str, Limit], error_rate: float, drop_rate: float, short_rate: float,
    gzip: bool, state: Path | None, family: str, until_eof: bool, heirloom: Path | None,
) -> None:
    """Serve a simulated Telegram with a home and a media data centre on the loopback interface."""
    try:
        server = Server(build_world(seed, accounts, bulk, files, community), gzip=gzip, state_file=state)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    fault = server.dispatcher.fault
    fault.latency_ms, fault.jitter_ms, fault.error_rate, fault.drop_rate = latency, jitter, error_rate, drop_rate
    fault.short_rate = short_rate
    server.dispatcher.flood.limits.update(flood)
    server.dispatcher.flood.takeout_limits.update(takeout_flood)
    if truth is not None:
        control.truth(server, {"folder": truth})
    asyncio.run(_serve(server, Ports(port, media_port, control_port), server_file, family, until_eof))
    if heirloom is not None and not _announced:
        shutil.rmtree(heirloom, ignore_errors=True)


async def _serve(server: Server, ports: Ports, server_file: Path | None, family: str, until_eof: bool) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    host, host6 = (HOST6, None) if family == "6" else (HOST, HOST6 if family == "both" else None)
    await server.start(host, home_port=ports.home, media_port=ports.media, host6=host6)
    listener = await control.listen(server, HOST, ports.control)
    control_port = listener.sockets[0].getsockname()[1]
    if server_file is not None:
        _write_server_file(server_file, server, control_port)
    where = ", ".join(f"DC {dc_id} on {host}:{port}" for dc_id, (host, port) in server.ledger.addresses.items())
    complain(f"{where}, control on port {control_port}")
    if until_eof:
        threading.Thread(target=_watch_stdin, args=(loop, over), daemon=True).start()
    await over.wait()
    listener.close()
    await server.close()


def _watch_stdin(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    """Whoever started the server announces the end by a byte, unless it was killed."""
    while os.read(sys.stdin.fileno(), 4096):
        _announced.append(True)
    loop.call_soon_threadsafe(over.set)


def _write_server_file(path: Path, server: Server, control_port: int) -> None:
    """TOML, whole or not at all: what a client needs, and the table [simdc] for tests and people."""
    host, port = server.ledger.addresses[HOME_DC]
    lines = [
        f"dc_id = {HOME_DC}",
        f'host = "{host}"',
        *(f'host6 = "{host6}"' for dc_id, (host6, _) in server.ledger.addresses6.items() if dc_id == HOME_DC),
        f"port = {port}",
        f'public_key = """\n{server.hub.rsa_key.pem}"""',
        "# any will do",
        "api_id = 1",
        'api_hash = "simulated"',
        "",
        "[simdc]",
        f"control_port = {control_port}",
        f"media_port = {server.ledger.addresses[MEDIA_DC][1]}",
    ]
    for account in server.world.accounts:
        lines += ["", "[[simdc.account]]", f'phone = "{account.phone}"', f'code = "{account.code}"']
        if account.password is not None:
            lines.append(f"password = {json.dumps(account.password, ensure_ascii=False)}")
    fresh = path.with_name(path.name + ".new")
    fresh.write_text("\n".join(lines) + "\n")
    os.replace(fresh, path)


if __name__ == "__main__":
    main()
