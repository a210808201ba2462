"""What a fleet's queue says of itself, as Prometheus reads it."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


def fleet_metrics(counts: list[dict[str, Any]], running: list[dict[str, Any]]) -> str:
    """counts, running: as Queue gives them. Labels are accounts and a few fixed words."""
    registry = CollectorRegistry()
    registry.register(_Exporter(counts, running))
    return generate_latest(registry).decode()


class _Exporter(Collector):
    def __init__(self, counts: list[dict[str, Any]], running: list[dict[str, Any]]) -> None:
        self._counts = counts
        self._running = running

    def collect(self) -> Iterator[Metric]:
        chats = GaugeMetricFamily("tgbulk_fleet_chats", "Chats by queue and status.", labels=["queue", "status"])
        for one in self._counts:
            chats.add_metric([one["queue_name"], one["status"]], one["jobs"])
        yield chats
        beats = [one["beat"] for one in self._running if one["beat"] is not None]
        yield GaugeMetricFamily("tgbulk_fleet_unheard_seconds",
                                "The longest time since a host that has a chat was heard of.", max(beats, default=0.0))
