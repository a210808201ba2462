"""What the kernel says of the run's processes and of the machine, through psutil."""
from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tgbulk.engine.folder import Place

#: Seconds between two looks at the proportional set sizes, which cost a walk over a process's memory map each.
PSS_PERIOD = 15.0


@dataclass(slots=True)
class ProcessUse:
    """One process; peaks are of what was sampled, the rest is cumulative."""

    pid: int
    cpu: float = 0.0
    rss: int = 0
    rss_peak: int = 0
    pss: int = 0
    pss_peak: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    switches_voluntary: int = 0
    switches_involuntary: int = 0
    descriptors: int = 0
    descriptors_peak: int = 0
    #: seconds in which it could have run and had no core; 0 where the kernel does not count them
    core_wait: float = 0.0
    alive: bool = True


@dataclass(slots=True)
class MachineUse:
    """The machine since the first sample, whoever used it; memory is of now."""

    cores: int
    memory_total: int
    seconds: float = 0.0
    #: busy seconds of all cores
    cpu: float = 0.0
    memory_available: int = 0
    memory_available_least: int = 0
    disk_read_bytes: int = 0
    disk_written_bytes: int = 0
    disk_free_bytes: int = 0
    network_received_bytes: int = 0
    network_sent_bytes: int = 0


class Sampler:
    """Keeps the last known use of every process it was ever shown."""

    def __init__(self, folder: Path | Place) -> None:
        """folder: whose file system's free space is told."""
        self._folder = folder
        self._handles: dict[str, psutil.Process] = {}
        self.processes: dict[str, ProcessUse] = {}
        memory = psutil.virtual_memory()
        self.machine = MachineUse(psutil.cpu_count() or 1, memory.total, memory_available_least=memory.available)
        self._base = _machine_counters()
        self._began = time.monotonic()
        self._pss_due = self._began

    def take(self, processes: Iterable[tuple[str, int]]) -> None:
        """Sample the machine, and these (name, pid)."""
        with_pss = time.monotonic() >= self._pss_due
        if with_pss:
            self._pss_due = time.monotonic() + PSS_PERIOD
        for name, pid in processes:
            use = self.processes.get(name)
            if use is None or use.pid != pid:
                use = self.processes[name] = ProcessUse(pid)
            try:
                self._sample(name, use, with_pss or not use.pss)
            except (psutil.Error, OSError):  # it ended, a moment ago or long since
                use.alive = False
        self._sample_machine()

    def _sample(self, name: str, use: ProcessUse, with_pss: bool) -> None:
        handle = self._handles.get(name)
        if handle is None or handle.pid != use.pid:
            handle = self._handles[name] = psutil.Process(use.pid)
        with handle.oneshot():
            times = handle.cpu_times()
            use.rss = handle.memory_info().rss
            traffic = handle.io_counters()
            switches = handle.num_ctx_switches()
            use.descriptors = handle.num_fds()
        use.cpu = times.user + times.system
        use.read_bytes, use.written_bytes = traffic.read_bytes, traffic.write_bytes
        use.switches_voluntary, use.switches_involuntary = switches.voluntary, switches.involuntary
        use.core_wait = _core_wait(use.pid)
        if with_pss:
            use.pss = handle.memory_full_info().pss
        use.rss_peak = max(use.rss_peak, use.rss)
        use.pss_peak = max(use.pss_peak, use.pss)
        use.descriptors_peak = max(use.descriptors_peak, use.descriptors)
        use.alive = True

    def _sample_machine(self) -> None:
        machine = self.machine
        now = _machine_counters()
        machine.seconds = time.monotonic() - self._began
        machine.cpu = now["cpu"] - self._base["cpu"]
        machine.memory_available = psutil.virtual_memory().available
        machine.memory_available_least = min(machine.memory_available_least, machine.memory_available)
        machine.disk_read_bytes = int(now["disk_read"] - self._base["disk_read"])
        machine.disk_written_bytes = int(now["disk_written"] - self._base["disk_written"])
        machine.network_received_bytes = int(now["received"] - self._base["received"])
        machine.network_sent_bytes = int(now["sent"] - self._base["sent"])
        try:
            machine.disk_free_bytes = shutil.disk_usage(self._folder).free
        except OSError:
            machine.disk_free_bytes = 0


def _machine_counters() -> dict[str, float]:
    times = psutil.cpu_times()
    disk: Any = psutil.disk_io_counters()  # None in some containers
    network: Any = psutil.net_io_counters()
    return {
        "cpu": times.user + times.nice + times.system + times.irq + times.softirq,
        "disk_read": disk.read_bytes if disk else 0,
        "disk_written": disk.write_bytes if disk else 0,
        "received": network.bytes_recv if network else 0,
        "sent": network.bytes_sent if network else 0,
    }


def _core_wait(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except FileNotFoundError:
        return 0.0
