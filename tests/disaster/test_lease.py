"""A lease whose keeper is killed, stopped or silent: no request leaves any more, and what came is kept."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from support.rig import COMMAND, PATIENCE, SLOWLY, Export, Rig, left_after
from tgbulk.engine.error import ExitCode
from tgbulk.engine.lease import Lease

#: Seconds that a heartbeat counts.
LEASE = 3.0


@contextmanager
def leased(rig: Rig, archive: Path) -> Iterator[tuple[Export, int]]:
    """A slow export under a lease, and the descriptor to keep it alive."""
    reading, writing = os.pipe()
    with rig.slow():
        words = ["@sim_large", "-o", str(archive), *SLOWLY, "--lease-fd", str(reading), "--lease", str(LEASE)]
        process = subprocess.Popen(
            [COMMAND, "export", *words],
            env=rig.environment, cwd=rig.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True, pass_fds=[reading],
        )
        os.close(reading)
        export = Export(process)
        try:
            export.wait_for_commit(archive)
            os.write(writing, b".")
            yield export, writing
        finally:
            export.close()
            try:
                os.close(writing)
            except OSError:
                pass


def requests(rig: Rig) -> int:
    return sum(method["calls"] for method in rig.dc.counters()["methods"].values())


def test_without_heartbeats_no_request_leaves(rig: Rig, archive: Path) -> None:
    with leased(rig, archive) as (export, _):
        code, said = export.end()
    assert code == ExitCode.LOST, said
    assert "the lease is over" in said
    assert rig.finish(archive) == 1


def test_a_keeper_that_is_gone_ends_it_at_once(rig: Rig, archive: Path) -> None:
    with leased(rig, archive) as (export, writing):
        os.close(writing)
        assert export.end()[0] == ExitCode.LOST
    assert rig.export(archive).returncode == 0


def test_who_wakes_after_the_lease_asks_for_nothing_more(rig: Rig, archive: Path) -> None:
    """All processes of it are stopped, as with a machine that is suspended; heartbeats that came meanwhile are too late."""
    with leased(rig, archive) as (export, writing):
        group = list(export.members().values())
        for one in group:
            one.suspend()
        time.sleep(LEASE + 0.5)
        os.write(writing, b".")
        before = requests(rig)
        for one in group:
            one.resume()
        code, said = export.end()
        assert code == ExitCode.LOST, said
        assert requests(rig) == before
    assert rig.export(archive).returncode == 0


def test_with_heartbeats_it_goes_on(rig: Rig, archive: Path) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [COMMAND, "export", "@sim_small", "-o", str(archive), "--quiet", "--lease-fd", str(reading), "--lease", "2"],
        env=rig.environment, cwd=rig.home, stdin=subprocess.DEVNULL, pass_fds=[reading],
    )
    os.close(reading)
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            os.write(writing, b".")
        except BrokenPipeError:
            break
        time.sleep(0.1)
    os.close(writing)
    assert process.wait(PATIENCE) == 0


def test_a_lease_is_over_for_good() -> None:
    reading, writing = os.pipe()
    lease = Lease(reading, 0.05)
    assert lease.held()
    time.sleep(0.1)
    os.write(writing, b".")
    assert not lease.held()
    os.write(writing, b".")
    assert not lease.held()
    os.close(reading)
    os.close(writing)


def test_it_dies_with_its_parent(rig: Rig, archive: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "subprocess.Popen(sys.argv[1:])\n"
        "time.sleep(600)\n"
    )
    with rig.slow():
        words = [COMMAND, "export", "@sim_large", "-o", str(archive), *SLOWLY, "--die-with-parent"]
        parent = subprocess.Popen(
            [sys.executable, "-c", script, *words], env=rig.environment, cwd=rig.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        Export(parent).wait_for_commit(archive)
        family = psutil.Process(parent.pid).children(recursive=True)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert left_after(PATIENCE, family) == []
        parent.communicate()
    assert rig.export(archive).returncode == 0


def test_a_parent_that_died_before_is_noticed(rig: Rig, archive: Path) -> None:
    """The one that started it is said by its process id: here one that has ended."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    words = [COMMAND, "export", "@sim_large", "-o", str(archive), "--die-with-parent", "--parent-pid", str(gone.pid)]
    done = subprocess.run(words, env=rig.environment, cwd=rig.home, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not archive.exists()
