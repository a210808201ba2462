from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from telethon import utils
from telethon.tl import types

from tgbulk.perf.simdc.corpus.sample import Sampler
from tgbulk.perf.simdc.corpus.schema import classes, readable
from tgbulk.perf.simdc.corpus.wire import encode
from tgbulk.stages.telegram.decoder import decode
from tgbulk.stages.telegram.peer import digest, is_min, marked_id

TYPES = (types.User.SUBCLASS_OF_ID, types.Chat.SUBCLASS_OF_ID)
PEERS = [one for one in classes() if readable(one) and one.SUBCLASS_OF_ID in TYPES]


def sparse(peer: Any) -> dict[str, Any]:
    return decode(encode(peer))[0]


@pytest.mark.parametrize("cls", PEERS, ids=lambda cls: cls.__name__)
def test_every_kind_of_peer(cls: type[Any]) -> None:
    """Ids as Telethon marks them; a form read back from disk has the version that it had."""
    source = Sampler(random.Random(3))
    for _ in range(20):
        made = source.make(cls)
        made.id = abs(made.id) % 10**10 + 1
        peer = sparse(made)
        assert marked_id(peer) == _marked(made)
        assert digest(orjson.loads(orjson.dumps(peer))) == digest(peer)
        assert is_min(peer) == (bool(getattr(made, "min", None)) or cls in (types.UserEmpty, types.ChatEmpty))


def _marked(peer: Any) -> int:
    if isinstance(peer, types.User | types.UserEmpty):
        return int(peer.id)
    basic = isinstance(peer, types.Chat | types.ChatForbidden | types.ChatEmpty)
    return int(utils.get_peer_id(types.PeerChat(peer.id) if basic else types.PeerChannel(peer.id)))


def test_a_version_is_everything_but_what_passes() -> None:
    ann = types.User(id=1, first_name="Ann", access_hash=5)
    online = types.User(id=1, first_name="Ann", access_hash=5, status=types.UserStatusRecently())
    renamed = types.User(id=1, first_name="Anna", access_hash=5)
    rehashed = types.User(id=1, first_name="Ann", access_hash=6)
    assert len({digest(sparse(one)) for one in (ann, online, renamed, rehashed)}) == 2
    assert digest(sparse(ann)) == digest(sparse(online)) == digest(sparse(rehashed))
