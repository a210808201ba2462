"""A small MTProxy as a process: obfuscated, padded transport with a secret on one side, intermediate on the other
(https://core.telegram.org/mtproto/mtproto-transports). PyPI has none that installs as a package.

    python mtproxy.py PORT SECRET SOURCE DC=PORT...    SOURCE: the address that it connects from
"""
from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
from functools import partial

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PADDED = b"\xdd\xdd\xdd\xdd"
INTERMEDIATE = b"\xee\xee\xee\xee"


class Ctr:
    def __init__(self, key: bytes, iv: bytes) -> None:
        self.update = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update


async def serve(
    secret: bytes, source: str, centres: dict[int, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        head = await reader.readexactly(64)
        # The client's key, and ours in the other direction: the same bytes backwards.
        back = head[55:7:-1]
        decrypt = Ctr(hashlib.sha256(head[8:40] + secret).digest(), head[40:56])
        encrypt = Ctr(hashlib.sha256(back[:32] + secret).digest(), back[32:48])
        plain = decrypt.update(head)
        centre = abs(int.from_bytes(plain[60:62], "little", signed=True))
        if plain[56:60] != PADDED or centre not in centres:
            return
        upstream, downstream = await asyncio.open_connection("127.0.0.1", centres[centre], local_addr=(source, 0))
        downstream.write(INTERMEDIATE)
        tasks = [asyncio.create_task(up(reader, decrypt, downstream)), asyncio.create_task(down(upstream, encrypt, writer))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        downstream.close()
    except (OSError, EOFError):
        pass
    finally:
        writer.close()


async def up(reader: asyncio.StreamReader, decrypt: Ctr, target: asyncio.StreamWriter) -> None:
    while True:
        size = int.from_bytes(decrypt.update(await reader.readexactly(4)), "little")
        packet = decrypt.update(await reader.readexactly(size))
        packet = packet[: size - size % 4]
        target.write(len(packet).to_bytes(4, "little") + packet)
        await target.drain()


async def down(reader: asyncio.StreamReader, encrypt: Ctr, target: asyncio.StreamWriter) -> None:
    while True:
        size = int.from_bytes(await reader.readexactly(4), "little")
        packet = await reader.readexactly(size) + os.urandom(random.randrange(4))
        target.write(encrypt.update(len(packet).to_bytes(4, "little") + packet))
        await target.drain()


async def main(port: str, secret: str, source: str, *centres: str) -> None:
    known = {int(number): int(place) for number, place in (one.split("=") for one in centres)}
    server = await asyncio.start_server(partial(serve, bytes.fromhex(secret), source, known), "127.0.0.1", int(port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
