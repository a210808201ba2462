"""A fork server of our own: imports once, then starts each process of the run in a few milliseconds.

Not multiprocessing's, because that one listens on a named socket in a temporary folder, which outlives a killed supervisor.
This one has a single socket pair and no name anywhere. It is the parent of all children: it reports each death, and when
the supervisor is gone it gives them GRACE seconds and kills the rest.

Run as `python -P -m tgbulk.engine.forkserver SOCKET COUNTERS STACKS PRELOAD...`, the first three as descriptors (the latter
two of engine/heartbeat.py); a preload is a module, or module:function to be called too.
"""
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
import traceback

import msgpack

from tgbulk.engine import heartbeat
from tgbulk.engine.arena import open_overflow
from tgbulk.engine.channel import MAX_DESCRIPTORS
from tgbulk.engine.descriptor import load
from tgbulk.engine.error import refusal, shortage

#: Seconds that children have to leave by themselves when the supervisor is gone.
GRACE = 3.0
#: Bytes of one request to start a child; its context comes as an overflow, the last of its descriptors.
REQUEST_LIMIT = 4096
#: Bytes kept for saying that there is no memory left.
SPARE = 4 << 20
#: What a child's exit status is when its own code raised.
CRASHED = 70
#: prctl(2): the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


def serve(server: socket.socket) -> None:
    """Start children and report their deaths until the supervisor closes its end; then see them off."""
    children: dict[int, int] = {}
    try:
        answer(server, children)
    except ConnectionError:
        pass  # the supervisor was killed with reports unread
    finally:
        see_off(children)


def answer(server: socket.socket, children: dict[int, int]) -> None:
    """Take requests to start a child until there is nobody to make them; ConnectionError when that shows so."""
    wake, waker = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    own = os.getpid()
    poll = select.poll()
    poll.register(server, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        heartbeat.beat()
        ready = {descriptor for descriptor, _ in poll.poll(1000 * heartbeat.BEAT_SECONDS)}
        if wake in ready:
            os.read(wake, 4096)
            report_deaths(server, children)
        if server.fileno() in ready:
            request, descriptors, _, _ = socket.recv_fds(server, REQUEST_LIMIT, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
            if not request:
                return
            number, name, target, length = msgpack.unpackb(request)
            pid = os.fork()
            if pid == 0:
                heartbeat.count_at(number + 1)
                become(name, target, length, descriptors, own, (wake, waker, server.fileno()))
            for descriptor in descriptors:
                os.close(descriptor)
            children[pid] = number
            server.send(msgpack.packb(["born", number, pid]))


def report_deaths(server: socket.socket, children: dict[int, int]) -> None:
    """Reap every child that ended and report to the supervisor: [dead, number, exit code or minus the signal]."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        server.send(msgpack.packb(["dead", children.pop(pid), os.waitstatus_to_exitcode(status)]))


def see_off(children: dict[int, int]) -> None:
    """Wait for the children that lost their supervisor; kill those that stay."""
    until = time.monotonic() + GRACE
    while children and time.monotonic() < until:
        for pid in list(children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del children[pid]
        time.sleep(0.02)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    for pid in children:
        has_ended(pid, GRACE)


def has_ended(child: int, seconds: float) -> bool:
    """Whether a child ends within so many seconds, and is waited for. One that was killed may not, where a disk that is
    gone holds it in the kernel."""
    until = time.monotonic() + seconds
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return True


def become(
    name: str, target: str, length: int, descriptors: list[int], parent: int, foreign: tuple[int, ...]
) -> None:
    """In the new child: run the target and leave. `foreign`: the fork server's own descriptors.

    Signals of the terminal are the supervisor's business. A fork server that is killed takes its children with it, since
    nobody could see them off any more.
    """
    code = CRASHED
    try:
        die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            return
        for descriptor in foreign:
            os.close(descriptor)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ignore_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        with open("/proc/self/comm", "w") as comm:
            comm.write(f"tgbulk-{name}"[:15])
        control, context = load(open_overflow(descriptors[-1], length), descriptors)
        os.close(descriptors[-1])
        module, _, function = target.partition(":")
        getattr(importlib.import_module(module), function)(control, context)
        code = 0
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else CRASHED
    except BaseException as error:
        known = refusal(error)
        if known is None:
            traceback.print_exc()
        else:
            code = known.exit_code
            print(f"tgbulk-{name}: {known}", file=sys.stderr)
    finally:
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except OSError:
            code = code or CRASHED  # a terminal that is gone
        finally:
            os._exit(code)


def die_with_parent(number: signal.Signals) -> None:
    """Get this signal when the parent ends."""
    import ctypes  # the supervisor does without

    ctypes.CDLL(None).prctl(ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(number))


def ignore_signals() -> None:
    """Those that come to the whole process group."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    ignore_signals()
    die_with_parent(signal.SIGCONT)  # a fork server that was stopped goes on to see its children off
    descriptor, counters, stacks = map(int, sys.argv[1:4])
    server = socket.socket(fileno=descriptor)
    server.set_inheritable(False)
    heartbeat.share(counters, stacks)
    heartbeat.count_at(0)
    spare = bytearray(SPARE)
    try:
        preload(sys.argv[4:])
        serve(server)
    except Exception as error:
        del spare
        short = shortage(error)
        if short is None:
            raise
        server.send(msgpack.packb(["short", 0, short.args]))
        sys.exit(short.exit_code)


def preload(names: list[str]) -> None:
    """Import once for all children. Nobody looks for garbage in it: nearly all of it stays, and looking takes long."""
    gc.disable()
    for name in names:
        module, _, function = name.partition(":")
        imported = importlib.import_module(module)
        if function:
            getattr(imported, function)()
    gc.freeze()
    gc.enable()


if __name__ == "__main__":
    main()
