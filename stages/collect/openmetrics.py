"""The run's metrics for Prometheus, on loopback: names, units and labels by its conventions, made afresh at each scrape.

Labels are stages, processes, methods, accounts and a few fixed words, so the number of series is bounded by the run's
settings, whatever its length and however many chats it has.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tgbulk.engine.histogram import Histogram
from tgbulk.stages.collect.config import CollectConfig
from tgbulk.stages.collect.report import CACHE, STAGES, waiting
from tgbulk.stages.collect.sample import ProcessUse, Sampler
from tgbulk.stages.collect.tally import Tally

HOST = "127.0.0.1"
#: Borders of the buckets that are told: a quarter of a millisecond to a little more than a minute, each four times the last.
BOUNDS = [2.0**power for power in range(-12, 8, 2)]

#: name, help, attribute of a process's use
_COUNTERS = (
    ("tgbulk_process_cpu_seconds", "CPU time of a process.", "cpu"),
    ("tgbulk_process_core_wait_seconds", "Time in which a process could have run and had no core.", "core_wait"),
    ("tgbulk_process_read_bytes", "Bytes that a process made the disk read.", "read_bytes"),
    ("tgbulk_process_written_bytes", "Bytes that a process made the disk write.", "written_bytes"),
)
_GAUGES = (
    ("tgbulk_process_resident_memory_bytes", "Resident memory of a process.", "rss"),
    ("tgbulk_process_proportional_memory_bytes", "Memory of a process, shared pages divided among their users.", "pss"),
    ("tgbulk_process_open_descriptors", "Descriptors that a process has open.", "descriptors"),
)


def publish(port: int, config: CollectConfig, tally: Tally, sampler: Sampler) -> int:
    """Serve from a thread of its own until this process ends; the port. OSError where it is taken."""
    registry = CollectorRegistry()
    registry.register(Exporter(config, tally, sampler))
    server, _ = start_http_server(port, HOST, registry)
    return int(server.server_port)


class Exporter(Collector):
    """Turns a tally into metric families."""

    def __init__(self, config: CollectConfig, tally: Tally, sampler: Sampler) -> None:
        self._config = config
        self._tally = tally
        self._sampler = sampler

    def describe(self) -> Iterable[Metric]:
        """Nothing: whoever registers this need not wait for the first snapshot."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Everything known now."""
        run = InfoMetricFamily("tgbulk_run", "The run that is under way.")
        run.add_metric([], {"run": self._config.run})
        yield run
        yield GaugeMetricFamily("tgbulk_run_start_time_seconds", "When the run began.", self._config.started)
        yield from self._stages()
        yield from self._requests()
        yield from self._floods()
        yield from self._totals()
        yield from self._caches()
        yield from self._processes()
        yield from self._machine()

    def _stages(self) -> Iterator[Metric]:
        work = HistogramMetricFamily("tgbulk_stage_duration_seconds", "Time that a unit of a stage's work took.",
                                     labels=["stage"])
        errors = CounterMetricFamily("tgbulk_stage_errors", "Units of a stage's work that failed.", labels=["stage"])
        waits = CounterMetricFamily("tgbulk_stage_waiting_seconds",
                                    "Time that a stage waited for what comes to it or for what it gives to.",
                                    labels=["stage", "direction"])
        for name, (stage, histogram, number) in STAGES.items():
            if self._tally.of(stage):
                _add(work, [name], self._tally.histogram(stage, histogram))
                errors.add_metric([name], self._tally.number(stage, number))
                waited = waiting(self._tally, name)
                for direction in ("upstream", "downstream"):
                    waits.add_metric([name, direction], waited[direction])
        yield from (work, errors, waits)

    def _requests(self) -> Iterator[Metric]:
        times = HistogramMetricFamily("tgbulk_request_duration_seconds", "Time from a request to Telegram to its answer.",
                                      labels=["method"])
        errors = CounterMetricFamily("tgbulk_request_errors", "Requests answered with an error.", labels=["method"])
        failed = self._tally.numbers("fetch", "request_errors")
        for method, histogram in self._tally.labelled("fetch", "request").items():
            _add(times, [method], histogram)
            errors.add_metric([method], failed.get(method, 0.0))
        yield from (times, errors)
        yield GaugeMetricFamily("tgbulk_requests_in_flight", "Requests to Telegram that have no answer yet.",
                                self._tally.number("fetch", "flying"))

    def _floods(self) -> Iterator[Metric]:
        for name, text, number in (
            ("tgbulk_flood_waits", "Flood waits that Telegram ordered.", "floods"),
            ("tgbulk_flood_wait_seconds", "Time lost to flood waits.", "flood_seconds"),
            ("tgbulk_limit_waiting_seconds", "Time that the next request waited until it was allowed.", "limit_seconds"),
        ):
            family = CounterMetricFamily(name, text, labels=["account", "method"])
            for label, value in self._tally.numbers("fetch", number).items():
                account, _, method = label.rpartition("/")
                family.add_metric([account, method], value)
            yield family

    def _totals(self) -> Iterator[Metric]:
        yield CounterMetricFamily("tgbulk_messages", "Messages written to the archive.",
                                  self._tally.number("write", "messages"))
        yield CounterMetricFamily("tgbulk_written_bytes", "Bytes of messages and peers written to the archive.",
                                  self._tally.number("write", "bytes"))
        yield GaugeMetricFamily("tgbulk_ring_slots_used", "Pages between fetch and write, in slots of the ring.",
                                self._tally.number("fetch", "slots"))
        dropped = sum(one.dropped for one in list(self._tally.processes.values()))
        yield CounterMetricFamily("tgbulk_snapshots_dropped", "Snapshots of metrics that nobody took.", dropped)

    def _caches(self) -> Iterator[Metric]:
        family = CounterMetricFamily("tgbulk_cache_events", "What happened in a cache: hits, misses, evictions.",
                                     labels=["cache", "event"])
        for event in CACHE:
            for cache, count in self._tally.numbers("fetch", f"cache_{event}").items():
                family.add_metric([cache, event], count)
        yield family

    def _processes(self) -> Iterator[Metric]:
        uses = list(self._sampler.processes.items())
        for name, text, attribute in _COUNTERS:
            yield _family(CounterMetricFamily, name, text, attribute, uses)
        for name, text, attribute in _GAUGES:
            yield _family(GaugeMetricFamily, name, text, attribute, [(n, use) for n, use in uses if use.alive])

    def _machine(self) -> Iterator[Metric]:
        machine = self._sampler.machine
        yield CounterMetricFamily("tgbulk_machine_cpu_seconds", "Busy time of all cores since the run began.", machine.cpu)
        yield GaugeMetricFamily("tgbulk_machine_cores", "Cores of the machine.", machine.cores)
        yield GaugeMetricFamily("tgbulk_machine_memory_available_bytes", "Memory that can be had without swapping.",
                                machine.memory_available)
        yield GaugeMetricFamily("tgbulk_archive_free_bytes", "Free space of the archive's file system.",
                                machine.disk_free_bytes)


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    buckets = [(f"{bound:g}", float(histogram.below(bound))) for bound in BOUNDS]
    family.add_metric(labels, [*buckets, ("+Inf", float(histogram.count))], histogram.sum)


def _family(kind: type[Any], name: str, text: str, attribute: str, uses: list[tuple[str, ProcessUse]]) -> Metric:
    family: Metric = kind(name, text, labels=["process"])
    for process, use in uses:
        family.add_metric([process], getattr(use, attribute))  # type: ignore[attr-defined]
    return family
