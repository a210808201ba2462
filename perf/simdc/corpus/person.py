"""Users: people, bots, deleted accounts and Telegram's own."""
from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.media import Shelf
from tgbulk.perf.simdc.world import World

FIRST = (
    "Anna", "Zoë", "محمد", "שרה", "Иван", "美咲", "Łukasz", "Ñandú", "🦊 Fox", "a\u0308o\u0308", "Ἀχιλλεύς", "नेहा",
    "Bob", "\u202eRTL override", "<b>Bold</b>", "O'Neil; DROP", "very long name " * 4, "\u200b", "Ольга", "김민준",
)
LAST = (None, "Müller", "", "بن سلمان", "Ünal-Ørsted", "🐉🐉🐉", "von der Leyen", "Пушкин", "大輔", None)

#: Telegram's own user, who sends login codes.
TELEGRAM = 777000
#: Telegram's own user, who stands for senders that hide their account.
HIDDEN = 2666000


@dataclass(slots=True)
class Cast:
    """Everybody there is, by role; ids only, the users are in the world."""

    world: World
    random: Random
    shelf: Shelf
    people: list[int] = field(default_factory=list)
    bots: list[int] = field(default_factory=list)
    deleted: int = 0

    def add(self, user_id: int, **fields: Any) -> int:
        """Put a user into the world, with every active username."""
        user = types.User(user_id, access_hash=0, **fields)
        self.world.users[user_id] = user
        active = [u.username for u in user.usernames or [] if u.active]
        for username in filter(None, (user.username, *active)):
            self.world.usernames[username.lower()] = user_id
        return user_id

    def person(self) -> int:
        """A new person; names, statuses, colours and usernames take turns."""
        number, random = len(self.people), self.random
        # Every other id is beyond 32 bits, as Telegram's have been since 2021.
        user_id = (6_000_000_000 if number % 2 else 100_000_000) + number * 1_001 + random.randrange(1_000)
        fields: dict[str, Any] = {
            "first_name": FIRST[number % len(FIRST)], "last_name": LAST[number * 3 % len(LAST)],
            "status": self._status(number), "premium": number % 4 == 1, "verified": number % 11 == 5,
            "scam": number % 23 == 9, "fake": number % 29 == 12, "lang_code": "de" if number % 6 == 0 else None,
        }
        if number % 3 == 0:
            fields["username"] = f"Sim_Person_{number}"
        elif number % 7 == 1:
            fields["usernames"] = [types.Username(f"sim_nft{number}", active=True),
                                   types.Username(f"sim_second{number}", active=True, editable=True),
                                   types.Username(f"sim_asleep{number}")]
        if number % 5 == 0:
            fields["photo"] = self.photo(number)
        if number % 8 == 1:
            fields["emoji_status"] = types.EmojiStatus(5_000_000_100 + number, until=1_900_000_000)
            fields["color"] = types.PeerColor(number % 7, background_emoji_id=5_000_000_200 + number)
        if number % 19 == 7:
            fields |= {"restricted": True, "restriction_reason": [types.RestrictionReason("ios", "terms", "Gone.")]}
        self.people.append(self.add(user_id, **fields))
        return user_id

    def bot(self, title: str, username: str) -> int:
        """A new bot."""
        self.bots.append(self.add(
            400_000_000 + len(self.bots), first_name=title, username=username, bot=True, bot_info_version=3,
            bot_chat_history=not self.bots, bot_inline_placeholder="Search...", bot_active_users=12_345))
        return self.bots[-1]

    def photo(self, number: int) -> types.UserProfilePhoto:
        """A profile photo with its two files."""
        photo_id, dc_id, stripped = self.shelf.peer_photo()
        return types.UserProfilePhoto(photo_id, dc_id, has_video=number % 10 == 0, stripped_thumb=stripped)

    @staticmethod
    def _status(number: int) -> Any:
        choices = (types.UserStatusRecently(), types.UserStatusLastWeek(), types.UserStatusOffline(1_735_000_000),
                   types.UserStatusLastMonth(by_me=True), None, types.UserStatusEmpty(),
                   types.UserStatusOnline(1_735_000_300))
        return choices[number % len(choices)]


def gather(world: World, random: Random, shelf: Shelf, people: int = 40) -> Cast:
    """A cast of so many people, two bots, a deleted account, and Telegram."""
    cast = Cast(world, random, shelf)
    for _ in range(people):
        cast.person()
    cast.bot("Weather ☔", "sim_weather_bot")
    cast.bot("Poll & Quiz", "sim_quiz_bot")
    cast.deleted = cast.add(100_999_999, deleted=True)
    cast.add(HIDDEN, first_name="Author Hidden")
    cast.add(TELEGRAM, first_name="Telegram", phone="42777", verified=True, support=True,
             status=types.UserStatusOffline(1_600_000_000))
    return cast
