"""The chat with every kind of message."""
from __future__ import annotations

from typing import Any

import pytest
from telethon.tl import types

from tgbulk.perf.simdc.corpus.build import build_world
from tgbulk.perf.simdc.corpus.kind import KINDS, ROOTS, client_only, targets
from tgbulk.perf.simdc.corpus.line import converted, nested
from tgbulk.perf.simdc.corpus.schema import constructor, members, reachable
from tgbulk.perf.simdc.world import CHANNEL_MARK


@pytest.fixture(scope="module")
def messages() -> list[dict[str, Any]]:
    history = build_world(1).histories[-CHANNEL_MARK - KINDS]
    return [converted(history.message(i), 1) for i in history.ids(0, len(history))]


def test_every_constructor_that_a_server_sends_is_there(messages: list[dict[str, Any]]) -> None:
    seen = {item["_"] for message in messages for item in nested(message)}
    missing = {constructor(c).name for c in targets()} - seen
    assert not missing


def test_only_what_clients_send_is_left_out() -> None:
    # Constructors of InputMedia, InputFile and their like are found only within inputPollAnswer and inputPageBlockMap.
    left_out = set(reachable(ROOTS)) - set(targets()) - client_only()
    assert {c.__name__ for c in left_out if not c.__name__.startswith("Input")} == {
        "DataJSON", "Invoice", "LabeledPrice"}
    assert len(targets()) > 400


def test_every_medium_and_action_comes_bare_and_full(messages: list[dict[str, Any]]) -> None:
    for attribute, kind in (("media", types.MessageMediaEmpty), ("action", types.MessageActionEmpty)):
        held = [m[attribute] for m in messages if attribute in m]
        for name in {h["_"] for h in held}:
            sizes = [len(h) for h in held if h["_"] == name]
            fields = [f for f in constructor(_class(kind, name)).fields if f.kind != "flags"]
            assert min(sizes) == 1 + sum(f.flag is None for f in fields), name
            assert name in ("messageMediaPhoto", "messageMediaDocument") or max(sizes) == 1 + len(fields), name


def test_an_optional_bool_that_is_false_stays(messages: list[dict[str, Any]]) -> None:
    edits = [m["action"] for m in messages if m.get("action", {}).get("_") == "messageActionTopicEdit"]
    assert {e[name] for e in edits for name in ("closed", "hidden") if name in e} <= {True, False}
    assert edits


def _class(kind: type[Any], name: str) -> type[Any]:
    return next(c for c in members(kind) if constructor(c).name == name)
