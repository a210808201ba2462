"""The whole corpus: every account with its dialogs, every chat with its history."""
from __future__ import annotations

from random import Random
from typing import Any

from telethon.tl import types

from perf.simdc.stored import StoredHistory
from perf.simdc.world import CHANNEL_MARK, Account, Dialog, World


def build_world(seed: int, accounts: int = 2, bulk: dict[str, int] | None = None) -> World:
    """The corpus of a seed; `bulk` adds public supergroups sim_<name> with so many messages each."""
    world = World(seed)
    random = Random(seed)
    for index in range(accounts):
        _account(world, index, random)
    group = -(CHANNEL_MARK + 1500000001)
    world.chats[group] = types.Channel(1500000001, "Grüße & Co", types.ChatPhotoEmpty(), 1609459200, megagroup=True,
                                       access_hash=0, username="sim_plain")
    world.usernames["sim_plain"] = group
    users = sorted(world.users)
    peer = types.PeerChannel(1500000001)
    world.histories[group] = StoredHistory(
        types.Message(n, peer, 1609459200 + 60 * n, f"message {n}", from_id=types.PeerUser(random.choice(users)))
        for n in range(1, 251) if n % 7)
    for account in world.accounts:
        account.dialogs.append(Dialog(group))
    return world


def _account(world: World, index: int, random: Random) -> None:
    user_id = 5_000_000_001 + index
    digits = str(index + 1) * 4 if index < 9 else f"{index + 1:04d}"
    account = Account(index, user_id, f"999662{digits}", "22222", "correct horse" if index == 1 else None)
    world.accounts.append(account)
    world.users[user_id] = types.User(user_id, access_hash=0, first_name=f"Account {index}", phone=account.phone)
    friend = 6_000_000_001 + index
    name = f"sim_zoe{index}"
    world.users[friend] = types.User(friend, access_hash=0, first_name="Zoë", last_name="Ünal", username=name)
    world.usernames[name] = friend
    ids: list[int] = sorted(random.sample(range(1, 2000), 470))
    histories: dict[int, list[Any]] = {user_id: [], friend: []}
    for n, message_id in enumerate(ids):
        other = friend if n % 8 else user_id
        histories[other].append(types.Message(message_id, types.PeerUser(other), 1609459200 + 3600 * n, f"text {n}",
                                              out=n % 3 == 0, from_id=types.PeerUser(user_id) if n % 3 == 0 else None))
    for other, messages in histories.items():
        account.histories[other] = StoredHistory(messages)
        account.dialogs.append(Dialog(other, pinned=other == user_id))
