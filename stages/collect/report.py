"""metrics.json: a run's metrics as one document; docs/METRICS_GUIDE.md explains every field."""
from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from tgbulk.engine.histogram import Histogram
from tgbulk.stages.collect.bottleneck import judge
from tgbulk.stages.collect.config import FORMAT, CollectConfig
from tgbulk.stages.collect.sample import Sampler
from tgbulk.stages.collect.series import Series
from tgbulk.stages.collect.tally import Tally

#: stage of the document -> (process stage, its histogram, number of its errors)
STAGES = {
    "fetch": ("fetch", "request", "request_errors"),
    "process": ("process", "work", "page_errors"),
    "write": ("write", "block", ""),
    "commit": ("write", "commit", ""),
    "transcode": ("transcode", "job", "job_errors"),
}
#: What a part of a file is asked with.
PART = "upload.getFile"
CACHE = ("hits", "misses", "negative_hits", "evictions")


def report(config: CollectConfig, tally: Tally, sampler: Sampler, series: Series) -> dict[str, Any]:
    """The document."""
    document: dict[str, Any] = _rounded({
        "format": FORMAT,
        "run": config.run,
        "complete": True,
        "started": round(config.started, 3),
        "seconds": round(config.seconds, 3),
        "bottleneck": judge(tally, sampler).document(),
        "messages": int(tally.number("write", "messages")),
        "stages": {name: _stage(tally, name) for name in STAGES} | {"media": _parts(tally)},
        "requests": _requests(tally),
        "floods": _floods(tally),
        "caches": _caches(tally),
        "media": _media(tally),
        "transcode": _transcode(tally),
        "resources": {
            "processes": _processes(tally, sampler),
            "machine": asdict(sampler.machine),
            "series": series.document(),
        },
        "metrics": {
            "cpu": sum(one.own_cpu for one in tally.processes.values()) + time.process_time(),
            "dropped": sum(one.dropped for one in tally.processes.values()),
        },
    })
    return document


def statistics(histogram: Histogram) -> dict[str, float | int]:
    """What is told of a histogram, in its own unit."""
    count = histogram.count
    return {
        "count": count,
        "total": histogram.sum,
        "mean": histogram.sum / count if count else 0.0,
        "min": histogram.low if count else 0.0,
        "max": histogram.high,
        "p50": histogram.quantile(0.5),
        "p90": histogram.quantile(0.9),
        "p99": histogram.quantile(0.99),
    }


def _stage(tally: Tally, name: str) -> dict[str, Any] | None:
    """None for a stage that did not take part in the run."""
    stage, work, errors = STAGES[name]
    if not tally.of(stage):
        return None
    histogram = tally.histogram(stage, work)
    elapsed = tally.elapsed(stage)
    return statistics(histogram) | {
        "errors": int(tally.number(stage, errors)),
        "throughput": histogram.count / elapsed if elapsed else 0.0,
        "cpu": tally.cpu(stage),
        "seconds": elapsed,
        "waiting": waiting(tally, name),
    }


def _parts(tally: Tally) -> dict[str, Any] | None:
    """The stage of downloads: of fetch's requests those for parts of files, None where there were none."""
    histogram = tally.labelled("fetch", "request").get(PART)
    if histogram is None:
        return None
    elapsed = tally.elapsed("fetch")
    waits = {
        name: sum(
            seconds
            for label, seconds in tally.numbers("fetch", f"{name}_seconds").items()
            if label.rpartition("/")[2] == PART
        )
        for name in ("limit", "window")
    }
    return statistics(histogram) | {
        "errors": int(tally.numbers("fetch", "request_errors").get(PART, 0)),
        "throughput": histogram.count / elapsed if elapsed else 0.0,
        "seconds": elapsed,
        "waiting": waits,
    }


def waiting(tally: Tally, name: str) -> dict[str, float]:
    """Seconds that a stage waited for what comes to it and for what it gives to."""
    if name == "fetch":
        limit, window = tally.number("fetch", "limit_seconds"), tally.number("fetch", "window_seconds")
        return {
            "upstream": limit + window,
            "limit": limit,
            "window": window,
            "downstream": tally.histogram("fetch", "slot").sum,
        }
    if name in ("write", "commit"):
        blocked = tally.seconds("write", "block") + tally.seconds("write", "commit") - tally.cpu("write")
        return {"upstream": tally.seconds("write", "upstream"), "downstream": max(0.0, blocked)}
    stage = STAGES[name][0]
    return {"upstream": tally.seconds(stage, "upstream"), "downstream": tally.seconds(stage, "downstream")}


def _requests(tally: Tally) -> dict[str, Any]:
    errors = tally.numbers("fetch", "request_errors")
    found = tally.labelled("fetch", "request")
    return {method: statistics(one) | {"errors": int(errors.get(method, 0))} for method, one in sorted(found.items())}


def _floods(tally: Tally) -> dict[str, Any]:
    counts, lost = tally.numbers("fetch", "floods"), tally.numbers("fetch", "flood_seconds")
    return {
        "count": int(sum(counts.values())),
        "seconds_lost": sum(lost.values()),
        "by_method": [
            {"account": label.rpartition("/")[0], "method": label.rpartition("/")[2], "count": int(count),
             "seconds_lost": lost.get(label, 0.0)}
            for label, count in sorted(counts.items()) if count
        ],
    }


def _caches(tally: Tally) -> dict[str, Any]:
    caches: dict[str, Any] = {}
    for what in CACHE:
        for cache, count in tally.numbers("fetch", f"cache_{what}").items():
            caches.setdefault(cache, dict.fromkeys(CACHE, 0))[what] = int(count)
    for counts in caches.values():
        asked = counts["hits"] + counts["negative_hits"] + counts["misses"]
        counts["hit_rate"] = (counts["hits"] + counts["negative_hits"]) / asked if asked else 0.0
    return caches


def _media(tally: Tally) -> dict[str, float]:
    """Whatever write counts under a name that begins with media_."""
    names = {number.name for one in tally.of("write") for number in one.numbers if number.name.startswith("media_")}
    return {name.removeprefix("media_"): tally.number("write", name) for name in sorted(names)}


def _transcode(tally: Tally) -> dict[str, Any]:
    return {
        "encoders": {encoder: one.count for encoder, one in sorted(tally.labelled("transcode", "job").items())},
        "fallbacks": {reason: int(count) for reason, count in sorted(tally.numbers("transcode", "fallbacks").items())},
    }


def _processes(tally: Tally, sampler: Sampler) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, use in sampler.processes.items():
        found[name] = asdict(use)
        snapshot = tally.processes.get(name)
        if snapshot is not None:
            found[name] |= {
                "cpu": max(use.cpu, snapshot.cpu),
                "seconds": snapshot.at - snapshot.started,
                # Without its last snapshot it was killed, and what it did since the one before is not counted.
                "left_in_order": snapshot.last,
            }
    return found


def _rounded(value: Any) -> Any:
    """Microseconds are enough for people and programs."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value
