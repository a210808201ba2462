"""What an export would bring and cost, asked of Telegram in a few requests a chat; nothing is exported."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from telethon import errors
from telethon.tl import functions, types

from tgbulk.engine.error import TgbulkError
from tgbulk.engine.metric import Meter
from tgbulk.stages.archive.annex import AnnexName
from tgbulk.stages.archive.id_range import EVERYTHING, UNBOUNDED, IdRange, intersect
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.annexes import forecast_requests
from tgbulk.stages.fetch.config import FetchConfig, Selection
from tgbulk.stages.fetch.history import LIMIT, METHOD
from tgbulk.stages.fetch.media.download import PART
from tgbulk.stages.fetch.missing import MissingRanges
from tgbulk.stages.fetch.name import parse_name
from tgbulk.stages.fetch.pace import Paces
from tgbulk.stages.fetch.parts import Located, locate, unite
from tgbulk.stages.fetch.reader import Reader, open_reader
from tgbulk.stages.fetch.resolver import Target, refusal
from tgbulk.stages.fetch.session import Session
from tgbulk.stages.telegram.media import find
from tgbulk.stages.telegram.medium import MediaSelection, Medium
from tgbulk.stages.telegram.sparse import sparse

#: Category of media -> the search that counts it. Stickers and previews have none; they are estimated from a page.
FILTERS = {
    "photo": types.InputMessagesFilterPhotos,
    "video": types.InputMessagesFilterVideo,
    "voice": types.InputMessagesFilterVoice,
    "round": types.InputMessagesFilterRoundVideo,
    "audio": types.InputMessagesFilterMusic,
    "document": types.InputMessagesFilterDocument,
    "animation": types.InputMessagesFilterGif,
}
#: Missing ranges of a chat that are counted one by one; of more, only their sum is estimated.
MOST_RANGES = 3
#: Requests a second without and inside a takeout, where nothing was learnt yet (docs/spec/history-fetching.md 5).
RATES = {False: 1.0, True: 10.0}
#: Messages in a chat from which on its ids are split among several requests, which costs a few more.
SPLIT_FROM = 300


@dataclass(slots=True)
class MediaForecast:
    """Of one category of media: estimates."""

    files: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Forecast:
    """Of one chat."""

    name: str
    #: 0 where it was not found
    marked_id: int = 0
    type: str = ""
    title: str = ""
    #: the server's count of what is asked for, and how many of these the archive does not have
    messages: int = 0
    new: int = 0
    #: requests for it, those for media in them
    requests: int = 0
    #: category -> files and bytes
    media: dict[str, MediaForecast] = field(default_factory=dict)
    #: annex -> requests for it
    annexes: dict[str, int] = field(default_factory=dict)
    #: why it could not be looked at, "" where it could
    reason: str = ""
    code: int = 0


@dataclass(slots=True)
class Forecasts:
    """Of an export."""

    chats: list[Forecast]
    #: requests a second, and whether an earlier run learnt that
    rate: float
    learnt: bool


async def forecast(
    access: Access,
    names: list[str],
    selection: Selection,
    media: MediaSelection | None,
    covered: Mapping[int, list[IdRange]],
    takeout: bool,
    notify: Callable[[object], None],
    annexes: Sequence[AnnexName] = (),
    comments: bool = False,
) -> Forecasts:
    """covered: by marked id, what the archive has. Raises what `open_reader` raises; a chat that fails says why."""
    session = Session.of(access.home, access.server, access.account)
    found: list[Forecast] = []
    with session.lock as lock:
        config = FetchConfig([access], [], in_flight=1, annexes=tuple(annexes), comments=comments)
        async with open_reader(0, access, lock, config, notify, Meter(None)) as reader:
            parts: list[Located] = []
            for name in map(parse_name, names):
                try:
                    target = await reader.resolver.resolve(name)
                    if name.part:
                        parts.append(await locate(name.part, target, reader.caller, reader.resolver))
                        continue
                    halves = [target, await reader.resolver.older_half(target)]
                    if comments:
                        halves.append(await reader.resolver.discussion(target))
                    for half in filter(None, halves):
                        one = await _look(reader, half, [EVERYTHING], selection, media, covered)
                        one.annexes = await forecast_requests(reader, half, annexes)
                        one.requests += sum(one.annexes.values())
                        found.append(one)
                except errors.RPCError as error:
                    found.append(_failed(name.text, refusal(name.text, error)))
                except TgbulkError as error:
                    found.append(_failed(name.text, error))
            for part in unite(parts):
                found.append(await _look(reader, part.target, part.ids, selection, media, covered))
            login = reader.client.session.auth_key.key_id.to_bytes(8, "little")
    known = Paces(session.pace, login).get(METHOD, takeout)
    return Forecasts(found, known.pace.rate if known else RATES[takeout], known is not None)


def _failed(text: str, error: TgbulkError) -> Forecast:
    return Forecast(text, reason=str(error).removeprefix(f"{text}: "), code=int(error.exit_code))


async def _look(
    reader: Reader, target: Target, ids: Sequence[IdRange], selection: Selection, media: MediaSelection | None,
    covered: Mapping[int, list[IdRange]],
) -> Forecast:
    record = target.record
    ranks = _Ranks(reader, target)
    wanted = await _wanted(ranks, selection, ids)
    had = covered.get(record.marked_id, [])
    messages = await ranks.within(wanted)
    missing = [IdRange(one.next, one.hi) for one in MissingRanges.of(had, *wanted).ranges]
    if len(missing) <= MOST_RANGES or wanted == missing:
        new = await ranks.within(missing)
    else:
        new = max(0, messages - await ranks.between(IdRange(wanted[0].lo, max(one.hi for one in had))))
    made = Forecast(target.name, record.marked_id, record.type, record.title, messages, new)
    made.requests = _requests(new, len(missing))
    if media is not None and new:
        await _media(reader, target, made, media, new / (await ranks.total() or 1))
    return made


class _Ranks:
    """How many messages of a chat have an id at or above one; each question is asked once."""

    def __init__(self, reader: Reader, target: Target) -> None:
        self._reader = reader
        self._peer = target.peer
        self._known: dict[int, int] = {}
        self._total: int | None = None

    async def total(self) -> int:
        """The server's count."""
        if self._total is None:
            answer = await self._ask(0)
            self._total = int(getattr(answer, "count", len(answer.messages)))
        return self._total

    async def between(self, ids: IdRange) -> int:
        """Messages in a range."""
        if not ids:
            return 0
        above = 0 if ids.hi == UNBOUNDED else await self._above(ids.hi)
        return (await self.total() if ids.lo <= 1 else await self._above(ids.lo)) - above

    async def within(self, ranges: Sequence[IdRange]) -> int:
        """Messages in all of these; of more than MOST_RANGES, their ids count where that is less than what lies between."""
        if len(ranges) <= MOST_RANGES:
            return sum([await self.between(one) for one in ranges])
        most = await self.between(IdRange(ranges[0].lo, ranges[-1].hi))
        return min(most, sum(one.hi - one.lo for one in ranges))

    async def at_date(self, date: int) -> int:
        """The id of the newest message before a Unix time, 0 for none."""
        answer = await self._ask(0, date=date)
        return int(answer.messages[0].id) if answer.messages else 0

    async def newest(self, rank: int) -> int:
        """The id of the message of this rank from the newest, 0 for none."""
        answer = await self._ask(0, rank)
        return int(answer.messages[0].id) if answer.messages else 0

    async def _above(self, first: int) -> int:
        if first not in self._known:
            total = await self.total()
            answer = await self._ask(first)
            if not answer.messages:
                self._known[first] = total
            elif isinstance(answer, types.messages.Messages):
                self._known[first] = 0  # the whole chat came, and it lies below
            else:
                self._known[first] = int(answer.offset_id_offset or 0)
        return self._known[first]

    async def _ask(self, offset_id: int, add_offset: int = 0, date: int | None = None) -> Any:
        request = functions.messages.GetHistoryRequest(self._peer, offset_id, date, add_offset, 1, 0, 0, 0)
        return await self._reader.caller.call(request)


async def _wanted(ranks: _Ranks, selection: Selection, ids: Sequence[IdRange]) -> list[IdRange]:
    """As stages/fetch/selection.py does for an export."""
    lo, hi = max(ids[0].lo, selection.min_id or 1), ids[-1].hi
    if selection.max_id is not None:
        hi = min(hi, selection.max_id + 1)
    if selection.since is not None:
        lo = max(lo, await ranks.at_date(selection.since) + 1)
    if selection.until is not None:
        hi = min(hi, await ranks.at_date(selection.until + 1) + 1)
    if selection.last is not None:
        lo = max(lo, await ranks.newest(selection.last - 1))
    return intersect(ids, IdRange(lo, hi)) or [IdRange(lo, lo)]


def _requests(new: int, ranges: int) -> int:
    """Pages, one more for the end of each range, and what a split of the ids costs in a large chat."""
    split = 1 + ceil(new / LIMIT / 50) if new > SPLIT_FROM else 0
    return ceil(new / LIMIT) + max(ranges, 1) + split


async def _media(reader: Reader, target: Target, made: Forecast, media: MediaSelection, share: float) -> None:
    """Counts by search counters, sizes by the newest hundred of each kind. share: of the chat that is new."""
    asked = [category for category in FILTERS if category in media.categories]
    counters = []
    if asked:
        request = functions.messages.GetSearchCountersRequest(target.peer, [FILTERS[category]() for category in asked])
        counters = await reader.caller.call(request)
    seen: set[tuple[str, int, str]] = set()
    for category, counter in zip(asked, counters, strict=True):
        if counter.count:
            search = functions.messages.SearchRequest(
                target.peer, "", FILTERS[category](), None, None, 0, 0, LIMIT, 0, 0, 0, from_id=None)
            answer = await reader.caller.call(search)
            scale = share * counter.count / max(1, len(answer.messages))
            _add(made, answer.messages, media, {category}.__contains__, scale, seen)
    if media.categories - FILTERS.keys():
        page = functions.messages.GetHistoryRequest(target.peer, 0, None, 0, LIMIT, 0, 0, 0)
        answer = await reader.caller.call(page)
        scale = made.new / max(1, len(answer.messages))
        _add(made, answer.messages, media, (media.categories - FILTERS.keys()).__contains__, scale, seen)


def _add(
    made: Forecast, messages: list[Any], media: MediaSelection, wanted: Callable[[str], bool], scale: float,
    seen: set[tuple[str, int, str]],
) -> None:
    sample: dict[str, MediaForecast] = {}
    parts = 0
    for message in messages:
        for one in find(sparse(message), {}):
            if not isinstance(one, Medium) or not wanted(one.category) or media.refusal(one.category, one.size):
                continue
            if (one.kind, one.id, one.letter) in seen:
                continue
            seen.add((one.kind, one.id, one.letter))
            kind = sample.setdefault(one.category, MediaForecast())
            kind.files += 1
            kind.bytes += max(0, one.size)
            parts += max(1, ceil(one.size / PART))
    for category, kind in sample.items():
        known = made.media.setdefault(category, MediaForecast())
        known.files += round(kind.files * scale)
        known.bytes += round(kind.bytes * scale)
    made.requests += round(parts * scale)
