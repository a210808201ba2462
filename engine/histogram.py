"""A log-scale histogram: any positive value, a constant relative width, a sum that is exact."""
from dataclasses import dataclass, field
from math import floor, inf, log2

#: Bins for each doubling: one is 9 % wide, so a quantile is right within 5 %.
BINS = 8
#: Values below this count as this: one nanosecond, where values are seconds.
_LEAST = 1e-9
_LEAST_PLACE = floor(log2(_LEAST) * BINS)


@dataclass(slots=True)
class Histogram:
    """Values of one kind, added or merged; the fields are its content."""

    sum: float = 0.0
    low: float = inf
    high: float = 0.0
    #: bin b holds values from 2**(b / BINS) on
    bins: dict[int, int] = field(default_factory=dict)

    def add(self, value: float) -> None:
        """Count one value."""
        self.sum += value
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value
        place = floor(log2(value) * BINS) if value > _LEAST else _LEAST_PLACE
        self.bins[place] = self.bins.get(place, 0) + 1

    def merge(self, other: "Histogram") -> None:
        """Count all that the other has counted."""
        self.sum += other.sum
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
        for place, count in other.bins.items():
            self.bins[place] = self.bins.get(place, 0) + count

    @property
    def count(self) -> int:
        return sum(self.bins.values())

    def quantile(self, share: float) -> float:
        """The value below which this share of all lies, within half a bin; 0 of nothing."""
        rank = share * self.count
        for place in sorted(self.bins):
            rank -= self.bins[place]
            if rank <= 0:
                return min(self.high, max(self.low, 2 ** ((place + 0.5) / BINS)))
        return 0.0

    def below(self, bound: float) -> int:
        """How many values are below the bound, exact where it is the border of a bin."""
        border = round(log2(bound) * BINS)
        return sum(count for place, count in self.bins.items() if place < border)

    def copy(self) -> "Histogram":
        """What was counted so far; safe while another thread adds."""
        return Histogram(self.sum, self.low, self.high, dict(self.bins))
