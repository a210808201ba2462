"""What held the run up.

Work goes round through stations: Telegram's limit, fetch, process, write and its disk, ffmpeg. The station that was busy for
the largest share of the time is the bottleneck, if that share is large; where all were mostly idle, the run waited for
answers that were on their way, and latency is it.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from tgbulk.stages.collect.sample import Sampler
from tgbulk.stages.collect.tally import Tally

#: A station that was busy for a smaller share of the time held nobody up.
BUSY = 0.5
#: The machine counts as full, and is mentioned, above this share of its cores.
FULL = 0.8


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """`name`: limit, latency, fetch, process, write, disk or transcode. `shares`: how busy each station was, 0 to 1."""

    name: str
    share: float
    sentence: str
    shares: dict[str, float]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def judge(tally: Tally, sampler: Sampler) -> Bottleneck:
    """Name it, with the evidence in one sentence."""
    machine = sampler.machine
    cores = _over(machine.cpu, machine.seconds * machine.cores)
    found = _judge(tally, _shares(tally, sampler))
    if cores >= FULL:
        found = replace(found, sentence=f"{found.sentence} All cores of the machine together were busy for {cores:.0%}.")
    return found


def _judge(tally: Tally, shares: dict[str, float]) -> Bottleneck:
    stations = {name: share for name, share in shares.items() if name != "disk"}
    name = max(stations, key=lambda one: stations[one])
    if stations[name] < BUSY:
        return Bottleneck("latency", stations[name], _latency(tally, name, stations[name]), shares)
    if name == "write" and shares["disk"] >= shares["write"] / 2:
        name = "disk"
    return Bottleneck(name, shares[name], _EVIDENCE[name](tally, shares), shares)


def _shares(tally: Tally, sampler: Sampler) -> dict[str, float]:
    written = tally.seconds("write", "block") + tally.seconds("write", "commit")
    # What was neither CPU nor waiting for a core was waiting for the disk.
    use = sampler.processes.get("write")
    blocked = written - tally.cpu("write") - (use.core_wait if use else 0.0)
    elapsed = tally.elapsed("fetch")
    jobs = max(1.0, tally.number("transcode", "jobs_at_once") / max(1, len(tally.of("transcode"))))
    shares = {
        "limit": _over(_limited(tally), elapsed),
        "fetch": _over(tally.cpu("fetch"), elapsed),
        "process": _over(tally.seconds("process", "work"), tally.lived("process")),
        "write": _over(written, tally.elapsed("write")),
        "disk": _over(blocked, tally.elapsed("write")),
        "transcode": _over(tally.seconds("transcode", "job"), tally.lived("transcode") * jobs),
    }
    return {name: round(share, 4) for name, share in shares.items()}


def _limited(tally: Tally) -> float:
    """Seconds for which the limit held back an account's next request: of its most limited method, the accounts' mean."""
    most: dict[str, float] = {}
    for label, seconds in tally.numbers("fetch", "limit_seconds").items():
        account = label.rpartition("/")[0]
        most[account] = max(most.get(account, 0.0), seconds)
    return sum(most.values()) / len(most) if most else 0.0


def _latency(tally: Tally, busiest: str, share: float) -> str:
    answers = tally.histogram("fetch", "request")
    if not answers.count:
        return "Nothing was asked of Telegram, so nothing held the run up."
    flying = _over(answers.sum, tally.elapsed("fetch"), most=1e9)
    return (
        f"Telegram's latency: an answer took {_time(answers.sum / answers.count)} and {flying:.1f} requests were on their "
        f"way on average; the busiest station, {busiest}, was busy for {share:.0%} of the time."
    )


def _limit(tally: Tally, shares: dict[str, float]) -> str:
    floods, lost = tally.number("fetch", "floods"), tally.number("fetch", "flood_seconds")
    return (
        f"Telegram's limit: for {shares['limit']:.0%} of the time the next request had to wait until it was allowed "
        f"({floods:.0f} flood waits, {lost:.0f} s lost to them)."
    )


def _fetch(tally: Tally, shares: dict[str, float]) -> str:
    return f"CPU of fetch: its one process used {shares['fetch']:.0%} of a core, {tally.cpu('fetch'):.1f} s."


def _process(tally: Tally, shares: dict[str, float]) -> str:
    work, workers = tally.histogram("process", "work"), len(tally.of("process"))
    mean, core = _over(work.sum, work.count, most=1e9), _over(tally.cpu("process"), tally.lived("process"))
    return (
        f"CPU of process: its workers ({workers}) were busy for {shares['process']:.0%} of the time and used {core:.0%} of "
        f"a core each, {_time(mean)} a page."
    )


def _write(tally: Tally, shares: dict[str, float]) -> str:
    block = tally.histogram("write", "block")
    mean = _over(block.sum, block.count, most=1e9)
    return f"CPU of write: it was busy for {shares['write']:.0%} of the time, {_time(mean)} a page."


def _disk(tally: Tally, shares: dict[str, float]) -> str:
    commit = tally.histogram("write", "commit")
    return (
        f"The disk: write waited for it for {shares['disk']:.0%} of the time; {commit.count} commits took "
        f"{_time(_over(commit.sum, commit.count, most=1e9))} on average."
    )


def _transcode(tally: Tally, shares: dict[str, float]) -> str:
    job = tally.histogram("transcode", "job")
    mean = _over(job.sum, job.count, most=1e9)
    return f"ffmpeg: it was busy for {shares['transcode']:.0%} of the time, {_time(mean)} a file."


_EVIDENCE = {
    "limit": _limit,
    "fetch": _fetch,
    "process": _process,
    "write": _write,
    "disk": _disk,
    "transcode": _transcode,
}


def _over(part: float, whole: float, most: float = 1.0) -> float:
    return min(most, max(0.0, part / whole)) if whole > 0 else 0.0


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
