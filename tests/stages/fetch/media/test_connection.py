"""A data centre that gives no file: its trouble is that of one file after the other, and then its own."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from telethon import errors
from telethon.tl import functions, types

from support.virtual import virtually
from tgbulk.stages.fetch.error import TroubledError, UnreachableError
from tgbulk.stages.fetch.media.connection import IDLE_SECONDS, PATIENCE, Connection, Pool

REQUEST = functions.upload.GetFileRequest(types.InputDocumentFileLocation(1, 1, b"", ""), 0, 1 << 20)
GIVEN_UP = "data centre 4 of the server cannot be used: RPCError 500: ODD"


class Sender:
    """Gives these answers in turn, the last one for ever; a real one would take minutes."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def is_connected(self) -> bool:
        return True

    async def send(self, request: Any) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def trouble() -> Any:
    return errors.ServerError(REQUEST, "ODD", 500)


def asked(
    answers: list[Any],
    pauses: list[float],
    ask: Callable[..., Any] = Pool._transmit,
    notify: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """What becomes of one request after each of these pauses."""

    async def main() -> list[str]:
        access: Any = SimpleNamespace(route="the server", account="main", server_name="the server")
        client: Any = SimpleNamespace(session=SimpleNamespace(dc_id=2))
        pool = Pool(client, access, 4, 1, None, lambda *_: None, notify=notify)
        pool._connections.append(Connection(Sender(*answers)))  # type: ignore[arg-type]
        found = []
        for pause in pauses:
            await asyncio.sleep(pause)
            try:
                await ask(pool, REQUEST)
                found.append("file")
            except (errors.ServerError, TroubledError):
                found.append("trouble")
            except UnreachableError as error:
                found.append(str(error))
        return found

    result: list[str] = virtually(main())
    return result


def test_trouble_without_an_end_is_the_data_centres() -> None:
    number = int(PATIENCE // 30)
    assert asked([trouble()], [30.0] * (number + 3)) == ["trouble"] * (number + 1) + [GIVEN_UP] * 2


def test_a_useful_answer_ends_it() -> None:
    answers = [*(trouble() for _ in range(9)), b"a part", trouble()]
    assert asked(answers, [30.0] * 20) == ["trouble"] * 9 + ["file"] + ["trouble"] * 10


def test_trouble_before_a_time_without_files_says_nothing_of_now() -> None:
    """One file after the other, each with all its tries: then it is the data centre."""
    said: list[str] = []
    assert asked([trouble()], [0.0, PATIENCE + 1, PATIENCE + 1], Pool.call, said.append) == ["trouble"] * 3
    assert len(said) == 3
    assert all("is out of reach" in one for one in said)
    assert asked([trouble()], [IDLE_SECONDS] * 100, Pool.call)[-1] == GIVEN_UP
