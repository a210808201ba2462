"""How fast one account may call one method: learnt from the answers, kept below what floods.

Until the first flood wait the number of requests in flight is all that bounds it. It stays small while a burst allowance may
hide the limit, then grows; the flood wait halves it. From then on requests are spaced by a rate, which grows with every
success to find out when more is allowed: the less, the more flood waits it was learnt from.

A flood wait says that the allowance is used up, and nothing else. So between two of them the server served what it refills,
less what it could not keep while everybody waited, because the allowance was full. What was served by the time between them
is therefore no more than what is refilled; and of any answers in a row, up to the second flood wait, all but the allowance
were refilled while they came. How large the allowance is follows from the first flood wait, before which it was full. The
greater of these bounds is where the rate goes on.

Accounts of one run tell each other (Shared): the limit is an account's own, and as a rule the same for all. Only the first
one that met a flood wait feels its way to it; the others stay below, and follow what it finds.

Nobody comes back in a herd: whoever waits leaves one after another, in the order of arrival.
"""
from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections import deque
from collections.abc import Callable

from tgbulk.stages.fetch.shared_pace import Pace, Shared

#: Requests in flight at the start; Telegram serves about three at a time anyway (docs/spec/history-fetching.md 2).
START = 3
#: Successes before the requests in flight grow: more than the burst that Telegram is seen to allow.
BURST = 40
#: Their relative growth with a success then, before a flood wait is known; and what a round of answers adds after one.
GROWTH = 0.07
ROUND = 0.5
#: Relative growth of the rate with a success, by the flood waits that it was learnt from: after the first it is a guess.
PROBES = (1e-2, 2e-3, 1e-4, 3e-6)
#: The first of these where other accounts wait for what this one finds out.
AWAITED_PROBE = 3e-2
#: The same while the rate is a remembered one: a run should not meet a flood wait for what another one found out. What only
#: one flood wait taught may be far too low, and grows.
REMEMBERED = (2e-3, 2e-5, 5e-6, 5e-7)
#: The growth grows itself with the successes since the last flood wait: the square of their number, in these.
PROBE_SPAN = 500
#: Answers since the last flood wait that are kept, the newest.
MEMORY = 1000
#: Fewer answers in a row teach nothing.
ENOUGH = 5
#: Added to a wait: the answer's way back took time, and clocks differ. Seconds, and a share of the wait at most.
SLACK = 0.05
#: Slots of time, spent late, that may be made up for at most.
CATCH_UP = 12
#: The least that a flood wait lasts, whatever the server says; twice as long after each one without a success in between.
FLOOR_SECONDS = 1.0
LONGEST_FLOOR = 64.0
#: Requests in flight for each one that the pace and the answer time ask for (Little's law), and beyond.
HEADROOM = 2.0
#: Answers by which the pace is measured while no rate is known.
MEASURED = 40
#: Share of the newest answer time in the smoothed one.
SMOOTHING = 0.1
#: What one request leaves of the allowance where only one flood wait was met, and the most that is believed.
GUESSED_ALLOWANCE = 5.0
MOST_ALLOWED = 100.0
#: What is used of a remembered allowance at the start, and of a remembered rate, by the flood waits that it was learnt from.
ALLOWANCE_USED = 0.75
RATE_USED = (0.93, 0.93, 0.97, 0.995)
#: What is taken of the first guess while another account finds out.
CAREFUL = 0.7
#: What is taken of another account's rate, by the flood waits that it was learnt from.
BELIEVED = (0.0, 0.85, 0.97, 1.0)
#: How far apart, relatively, rates are of what may be the same limit.
ALIKE = 0.2
#: Requests at the start that are spaced wider where the allowance may be used up, so that some of it comes back; how much.
SPARING = 40
SPARED = 0.1


class Halted(Exception):
    """Nothing more is to be asked: the run stops."""


class Bucket:
    """Admission of one (account, method). Times are the loop's, in seconds."""

    def __init__(
        self, most: int, rate: float | None = None, clock: Callable[[], float] | None = None, shared: Shared | None = None
    ) -> None:
        """most: requests in flight at any time; rate: requests a second at any time, None to find out what is allowed;
        shared: with the buckets of other accounts."""
        self.most = most
        self.rate = rate
        self._top_rate = rate
        self.window = float(min(START, most))
        self.flying = 0
        self.floods = 0
        #: seconds for which the next request waited: for an answer to one in flight; until it was allowed; of these, for the
        #: end of a flood wait
        self.crowded = self.limited = self.lost = 0.0
        self._clock = clock or asyncio.get_running_loop().time
        self._shared = shared or Shared()
        #: flood waits of another account whose rate was taken
        self._heard = 0
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()
        self._next = 0.0
        self._closed_until = 0.0
        self._started: float | None = None
        #: since the last flood wait, or the start: how many requests were served, and when the newest of them were answered
        self._served = 0
        #: of these, by an earlier run
        self._before = 0
        self._answers: deque[float] = deque(maxlen=MEMORY)
        #: when the last flood wait came, and how long after the one before it
        self._flooded_at = 0.0
        self._span = 0.0
        #: answers up to the first flood wait, and the seconds from the first of them to it
        self._first: tuple[float, float] = (math.inf, 0.0)
        #: what a request leaves of the full allowance, at most, as far as one can tell
        self._allowance = math.inf
        #: which of PROBES holds
        self._lessons = 0
        self._shut: Exception | None = None
        #: seconds from a request to its answer: the least, and smoothed; 0 while none is known
        self._quickest = self.answer_seconds = 0.0
        #: requests of a remembered allowance that may go at once
        self._credit = 0
        #: requests that are spaced wider
        self._sparing = 0
        self._remembered = False
        #: the rate that the answers have shown to be allowed
        self._proved: float | None = None
        #: flood waits since the last success, and the seconds of their pauses
        self._fruitless = 0
        self.fruitless_seconds = 0.0

    def remember(self, pace: Pace, idle: float) -> None:
        """Begin with what an earlier run learnt, so many seconds after its last request."""
        self._remembered = True
        self._lessons = pace.lessons
        self._allowance = pace.allowance
        self._first = pace.allowance, 0.0
        self._flooded_at = self._clock()
        self._proved = pace.rate
        self._served = self._before = pace.served // 2
        self._credit = int(ALLOWANCE_USED * min(pace.allowance, idle * pace.rate))
        self._sparing = 0 if self._credit > SPARING * SPARED else SPARING
        self._set_rate(pace.rate * RATE_USED[pace.lessons])

    def learnt(self) -> Pace | None:
        """What the next run may begin with; None where nothing was learnt, or where somebody has set the rate."""
        if self.rate is None or self._top_rate is not None:
            return None
        seconds = max(self._clock() - self._flooded_at, SLACK)
        if self._proved is None:  # after one flood wait: what was served since, at most
            shown = min(self.rate, max(1.0, self._served / seconds))
            return Pace(shown, GUESSED_ALLOWANCE, 0, self._served)
        shown = (self._served - self._before - self._allowance) / seconds
        lessons = max(self._lessons, self._heard)
        return Pace(max(self._proved, shown), min(self._allowance, MOST_ALLOWED), lessons, self._served)

    async def enter(self) -> None:
        """Wait for permission to send one request; every enter() is followed by one of the methods below.

        Raises what shut() was given, once it was.
        """
        async with self._turn:
            while True:
                if self._shut is not None:
                    raise self._shut
                now = self._clock()
                if self.flying >= max(1, int(self.window)):
                    await self._rest(None)
                    self.crowded += self._clock() - now
                    continue
                pause = max(self._next, self._closed_until) - now
                if pause <= 0:
                    break
                try:
                    await self._rest(pause)
                finally:
                    self.limited += self._clock() - now
                    self.lost += max(0.0, min(self._clock(), self._closed_until) - now)
            if self._started is None:
                self._started = now
            if self._credit:
                self._credit -= 1
                self._next = max(self._next, now)  # what is made up for here is not made up for twice
            elif self.rate is not None:
                late = min(CATCH_UP, self._allowance / 2) if self._top_rate is None else 0.0
                gap = 1 / self.rate
                if self._sparing:
                    self._sparing -= 1
                    gap, late = gap * (1 + SPARED), 0.0
                self._next = max(self._next, now - late / self.rate) + gap
            self.flying += 1

    @property
    def busy(self) -> bool:
        """Whoever comes now has to wait."""
        return self.flying >= max(1, int(self.window)) or max(self._next, self._closed_until) > self._clock()

    @property
    def pausing(self) -> bool:
        """Somebody waits here for a time to come: the pace's, or a flood wait's end."""
        return self._turn.locked() and max(self._next, self._closed_until) > self._clock()

    def describe(self) -> str:
        """How it stands, for people."""
        pause = max(0.0, max(self._next, self._closed_until) - self._clock())
        rate = "no rate" if self.rate is None else f"{self.rate:.2f} a second"
        return f"{self.flying} in flight of {self.window:.1f}, {rate}, {self.floods} floods, the next in {pause:.1f} s"

    def shut(self, error: Exception) -> None:
        """Whoever waits here, and whoever comes, gets this error."""
        self._shut = error
        self._shared.leave(self)
        self._left.set()

    async def _rest(self, seconds: float | None) -> None:
        """Until a request has left, or the time is over."""
        self._left.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._left.wait()

    def give_back(self) -> None:
        """Nothing was sent: whoever comes next may go in its place."""
        if self.rate is not None:
            self._next -= 1 / self.rate
        self.cancel()

    def cancel(self) -> None:
        """Nothing was sent, or the answer says nothing about the rate."""
        self.flying -= 1
        if not self.flying and not self._served:
            self._started = None  # there was nothing to ask for yet
        self._left.set()

    def succeeded(self, seconds: float | None = None) -> None:
        """An answer came, so many seconds after the request."""
        self._served += 1
        self._fruitless = 0
        self.fruitless_seconds = 0.0
        self._answers.append(self._clock())
        if seconds is not None:
            self._quickest = min(self._quickest or seconds, seconds)
            self.answer_seconds += SMOOTHING * (seconds - self.answer_seconds) if self.answer_seconds else seconds
        if self.rate is not None:
            useful = self._useful()
            # A rate that is known spaces the requests; before, it may be far too high.
            self.window = useful if self._lessons and self.answer_seconds else min(useful, self.window + ROUND / self.window)
            probes = REMEMBERED if self._remembered and not self.floods else PROBES
            probe = AWAITED_PROBE if not self._lessons and self._shared.is_awaited(self) else probes[self._lesson()]
            growth = probe * (1 + (self._served / PROBE_SPAN) ** 2)
            self._set_rate(self.rate * (1 + growth))
        elif self._served > BURST:
            self.window = min(self._useful(), self.window * (1 + GROWTH))
        self.cancel()

    def _useful(self) -> float:
        """Requests in flight that are worth it: what the pace and the answer time ask for, with HEADROOM; START at least.

        While no rate is known, the pace is what was measured, and the time twice the quickest answer's: where more in flight
        only wait longer, at the server or here, there will not be more.
        """
        if not self.answer_seconds or len(self._answers) < 2:
            return self.most
        if self.rate is not None:
            wanted = self.rate * self.answer_seconds
        else:
            number = min(MEASURED, len(self._answers))
            wanted = (number - 1) / max(self._answers[-1] - self._answers[-number], SLACK) * 2 * self._quickest
        return min(self.most, START + HEADROOM * wanted)

    def flooded(self, seconds: float) -> None:
        """The server wants a pause. Requests that were under way when it said so belong to the same flood wait."""
        now = self._clock()
        if now >= self._closed_until:
            self.floods += 1
            self._slow_down(now)
            floor = min(LONGEST_FLOOR, FLOOR_SECONDS * 2.0 ** min(self._fruitless, 30))
            self._fruitless += 1
            seconds = max(seconds, floor)
            self.fruitless_seconds += seconds
        self._closed_until = max(self._closed_until, now + seconds + random.uniform(SLACK, SLACK * (1 + seconds)))
        self._next = self._closed_until
        self.cancel()

    def _slow_down(self, now: float) -> None:
        self._credit = 0
        if self.rate is None or (self.floods == 1 and not self._remembered):
            self._guess(now)
        else:
            self._learn(now, self.rate)
        self._flooded_at = now
        self._served = self._before = 0
        self._answers.clear()

    def _guess(self, now: float) -> None:
        """At the first flood wait. How much of what was served was allowance, nobody knows: half, or else BURST."""
        self.window = max(1.0, self.window / 2)
        self._first = len(self._answers), now - self._answers[0] if self._answers else 0.0
        began = now if self._started is None else self._started
        careful = 1.0 if self._shared.flooded(self) else CAREFUL
        self._set_rate(max(1.0, careful * self._served / 2, self._served - BURST) / max(now - began, SLACK))

    def _learn(self, now: float, pace: float) -> None:
        """At any other flood wait, with requests spaced by this rate."""
        span = max(now - self._flooded_at, SLACK)
        served = self._served - self._before
        least = served / span
        rate = self._refilled(now, pace, self._refilled(now, pace, least))
        # It came soon again, so the allowance may be another than it seems to be: then only the first bound is one.
        if span < 2 * self._span:
            rate = (least + rate) / 2
        self._span = span
        if served >= ENOUGH:
            self._lessons = min(self._lessons + 1, len(PROBES) - 1)
        else:
            self._lessons = 0
            # Where the allowance is this small, more may have been lost of it than was served.
            if served >= self._allowance:
                rate = max(rate, pace / 2)
        self._set_rate(min(pace, max(rate, 0.5 / span)))
        self._proved = self.rate
        if self._lessons and self.rate is not None:
            self._shared.tell(Pace(self.rate, self._allowance, self._lessons, 0))

    def _lesson(self) -> int:
        """Which of PROBES holds: one's own; where others have found out more about the same limit, theirs.

        One that knows nothing yet goes on at their rate, whenever they have found out more. Should that be too much for it,
        it learns its own; where its own is more, it goes its own way.
        """
        other, rate = self._shared.pace, self.rate
        if self._remembered or rate is None or self._shared.leads(self):
            return self._lessons
        if other is None or other.lessons <= self._lessons:
            return max(self._lessons, 1)
        if not self._lessons and other.lessons > self._heard and rate < other.rate * (1 + ALIKE):
            rate = self._hear(other)
        return other.lessons if abs(rate / other.rate - 1) <= ALIKE else max(self._lessons, 1)

    def _hear(self, other: Pace) -> float:
        """Go on at a rate as that of another account, which is returned. What was not asked for since the flood wait is in
        the allowance by now."""
        self._heard, self._allowance = other.lessons, other.allowance
        self._proved = other.rate * BELIEVED[other.lessons]
        self._set_rate(self._proved)
        saved = other.rate * (self._clock() - self._flooded_at) - self._served
        self._credit = max(0, int(ALLOWANCE_USED * min(other.allowance, saved)))
        return self._proved

    def _refilled(self, now: float, pace: float, least: float) -> float:
        """What is refilled in a second: this at least, or more if the newest answers say so."""
        answers, seconds = self._first
        self._allowance = max(0.0, answers - least * seconds)
        # Half a request: somewhere between none and one was left when the flood wait came. Answers may come in a bunch, but
        # were asked for at the pace.
        rows = [
            (number + 0.5 - self._allowance) / max(now - then, number / pace)
            for number, then in enumerate(reversed(self._answers))
            if number >= ENOUGH
        ]
        return max(least, *rows) if rows else least

    def _set_rate(self, rate: float) -> None:
        self.rate = rate if self._top_rate is None else min(rate, self._top_rate)
