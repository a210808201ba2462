"""The whole corpus: every account with its dialogs, every chat with its history."""
from __future__ import annotations

from random import Random

from telethon.tl import types

from tgbulk.perf.simdc.corpus import channel, community, depot, folder, forum, group, kind, private, stock
from tgbulk.perf.simdc.corpus.corpus import Corpus
from tgbulk.perf.simdc.corpus.media import Shelf
from tgbulk.perf.simdc.corpus.person import gather
from tgbulk.perf.simdc.corpus.sample import Sampler
from tgbulk.perf.simdc.world import CHANNEL_MARK, Account, World

#: The login code of every account, and the two-step password of the second.
CODE, PASSWORD = "22222", "correct horse"
FIRST_USER = 5_000_000_001
#: Bare ids of the chats named by the caller, from this one on.
FIRST_BULK = 3_000_000_001
FIRST_FILES = 3_500_000_001


def build_world(
    seed: int,
    accounts: int = 2,
    bulk: dict[str, int] | None = None,
    files: dict[str, tuple[int, int]] | None = None,
    communities: dict[str, tuple[int, int, int]] | None = None,
) -> World:
    """The corpus of a seed for at least one account.

    `bulk` adds public supergroups sim_<name> with so many messages each, made where they are read; `files` adds such with
    (count, bytes) documents, `communities` channels with (posts, comments, members). They are in the first account's
    dialogs. ValueError without an account, or for a name that a chat of the corpus has.
    """
    if accounts < 1:
        raise ValueError("a world has at least one account")
    world = World(seed)
    shelf = Shelf(world, Random(f"{seed}:shelf"))
    stock.fill(shelf, Sampler(Random(f"{seed}:stock"), optional=0.0))
    for index in range(accounts):
        world.accounts.append(_account(index))
    corpus = Corpus(world, gather(world, Random(f"{seed}:cast"), shelf), shelf)
    for account in world.accounts:
        corpus.cast.add(account.user_id, first_name=f"Account {account.index}", last_name="ÄÖÜ 🦉",
                        username=f"sim_account_{account.index}", status=types.UserStatusRecently())
    private.settle(corpus)
    channel.assemble(corpus)
    group.assemble(corpus)
    forum.assemble(corpus)
    kind.assemble(corpus)
    folder.assemble(corpus)
    for number, (name, count) in enumerate((bulk or {}).items(), FIRST_BULK):
        _bulk(corpus, number, name, count)
    for number, (name, (count, size)) in enumerate((files or {}).items(), FIRST_FILES):
        _refuse_taken(corpus, name)
        depot.assemble(corpus, number, name, count, size)
    for number, (name, sizes) in enumerate((communities or {}).items()):
        _refuse_taken(corpus, name)
        community.assemble(corpus, number, name, *sizes)
    return world


def _account(index: int) -> Account:
    digits = str(index + 1) * 4 if index < 9 else f"{index + 1:04d}"
    return Account(index, FIRST_USER + index, f"999662{digits}", CODE, PASSWORD if index == 1 else None)


def _refuse_taken(corpus: Corpus, name: str) -> None:
    if f"sim_{name}".lower() in corpus.world.usernames:
        raise ValueError(f"the corpus has a chat sim_{name} of its own")


def _bulk(corpus: Corpus, number: int, name: str, count: int) -> None:
    # perf.simdc.bulk needs this package.
    from tgbulk.perf.simdc.bulk import BulkHistory

    _refuse_taken(corpus, name)
    history = BulkHistory(corpus.world.seed, count, -CHANNEL_MARK - number, corpus.cast.people[:30])
    for item in history.media:
        corpus.shelf.adopt(item)
    corpus.join(corpus.channel(number, name, history, megagroup=True, username=f"sim_{name}"), corpus.world.accounts[0])
