"""A server that answers one method wrongly: what a test of a faulty or hostile server asks for by control("lie", ...)."""
from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from telethon.extensions import BinaryReader
from telethon.tl import TLObject, types

from tgbulk.perf.simdc.call import Call, RpcError, Service

#: A lie stands between a request and its service: it may change the request, the answer, or give its own.
Lie = Callable[[Service, Call, Any, dict[str, Any]], Any]

#: name -> lie
LIES: dict[str, Lie] = {}


def lie(function: Lie) -> Lie:
    """Register a function (service, call, request, options) -> answer under its name."""
    LIES[function.__name__] = function
    return function


@dataclass(slots=True)
class _Order:
    lie: Lie
    options: dict[str, Any]
    #: answers that are still true, and how many are lies then; None for all
    after: int
    times: int | None


@dataclass(slots=True)
class Liar:
    """Which methods are answered wrongly, and how."""

    _orders: dict[str, _Order] = field(default_factory=dict)

    def set(self, method: str, name: str | None, *, after: int = 0, times: int | None = None, **options: Any) -> None:
        """Answer a method by this lie, `after` so many true answers and so many `times`; no name: truthfully again."""
        if name is None:
            self._orders.pop(method, None)
        elif name not in LIES:
            raise ValueError(f"no such lie, there are {', '.join(sorted(LIES))}")
        else:
            self._orders[method] = _Order(LIES[name], options, after, times)

    def answer(self, method: str, service: Service, call: Call, request: Any) -> Any:
        """The service's answer, or the lie that is told instead of it."""
        order = self._orders.get(method)
        if order is None:
            return service(call, request)
        if order.after:
            order.after -= 1
            return service(call, request)
        if order.times is not None:
            order.times -= 1
            if not order.times:
                del self._orders[method]
        return order.lie(service, call, request, order.options)


@lie
def change(service: Service, call: Call, request: Any, options: dict[str, Any]) -> Any:
    """The answer with another `value` in its `field`, a path as `count` or `messages.0.id`; `*`: each of a list."""
    answer = service(call, request)
    if isinstance(answer, bytes):
        answer = BinaryReader(answer).tgread_object()
    *way, last = options["field"].split(".")
    for place in _places(answer, way):
        if isinstance(place, list):
            place[int(last)] = options["value"]
        else:
            getattr(place, last)  # a field that does not exist is a mistake of the test
            setattr(place, last, options["value"])
    return answer


@lie
def ignore(service: Service, call: Call, request: Any, options: dict[str, Any]) -> Any:
    """The answer as if the request's `field` had another `value`: null or as given."""
    getattr(request, options["field"])
    setattr(request, options["field"], options.get("value"))
    return service(call, request)


@lie
def raw(service: Service, call: Call, request: Any, options: dict[str, Any]) -> bytes:
    """These bytes (`data`, base64) instead of the answer, `repeat` times, between those of `head` and `tail`."""
    head, data, tail = (base64.b64decode(options.get(name, "")) for name in ("head", "data", "tail"))
    return head + data * int(options.get("repeat", 1)) + tail


@lie
def confuse(service: Service, call: Call, request: Any, options: dict[str, Any]) -> Any:
    """The answer with one object of another type or one list that is empty in it; which and where follows from a `seed`."""
    answer = service(call, request)
    if isinstance(answer, bytes):
        answer = BinaryReader(answer).tgread_object()
    random = Random(options["seed"])
    place, key = random.choice(_holders(answer))
    value = (place if isinstance(place, list) else vars(place))[key]
    wrong = [] if isinstance(value, list) else random.choice(STRANGERS)
    if isinstance(place, list):
        place[key] = wrong
    else:
        setattr(place, key, wrong)
    return answer


@lie
def endless(service: Service, call: Call, request: Any, options: dict[str, Any]) -> Any:
    """A part of a file has as many bytes as were asked for, however often."""
    answer = service(call, request)
    answer.bytes = bytes(request.limit)
    return answer


@lie
def refuse(service: Service, call: Call, request: Any, options: dict[str, Any]) -> Any:
    """This error (`code`, `message`)."""
    raise RpcError(options["code"], options["message"])


#: Objects that are part of hardly any answer; the first ones are where a user, a chat or a message could not be shown.
STRANGERS = (types.UserEmpty(0), types.ChatEmpty(1), types.MessageEmpty(5, None), types.PeerUser(1 << 62),
             types.InputPeerEmpty(), types.UpdateConfig())  # fmt: skip


def _holders(place: Any) -> list[tuple[Any, Any]]:
    """Every place of an object or a list within another."""
    pairs = list(enumerate(place)) if isinstance(place, list) else list(vars(place).items())
    found = [(place, key) for key, value in pairs if isinstance(value, TLObject | list)]
    return found + [one for _, value in pairs if isinstance(value, TLObject | list) for one in _holders(value)]


def _places(place: Any, way: list[str]) -> list[Any]:
    """What a path leads to."""
    if not way:
        return [place]
    step, *rest = way
    if isinstance(place, list):
        return [found for one in (place if step == "*" else [place[int(step)]]) for found in _places(one, rest)]
    return _places(getattr(place, step), rest)
