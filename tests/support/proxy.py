"""The network between a client and the server: a TCP relay that can stall, cut and refuse."""
from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import TracebackType


class Proxy:
    """Listens on a loopback port and relays to another; a context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        #: connections so far
        self.count = 0

    def __enter__(self) -> Proxy:
        self._threads = [threading.Thread(target=self._listen, args=(self._listener,), daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_on()
        self.refuse()
        for thread in self._threads:
            thread.join(10)

    def server_file(self, path: Path, original: Path) -> Path:
        """A server file that leads here."""
        path.write_text(original.read_text().replace(f"port = {self._target}\n", f"port = {self.port}\n", 1))
        return path

    def stall(self) -> None:
        """Relay nothing, and lose nothing."""
        self._open.clear()

    def go_on(self) -> None:
        self._open.set()

    def cut(self) -> None:
        """Close every connection."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for one in pair:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                one.close()

    def refuse(self) -> None:
        """As when the network is gone: no connection, and none to be had."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.cut()

    def accept(self) -> None:
        """The network is back."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._threads.append(threading.Thread(target=self._listen, args=(self._listener,), daemon=True))
        self._threads[-1].start()

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                ours, _ = listener.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", self._target))
            self.count += 1
            self._pairs.append((ours, theirs))
            for pair in ((ours, theirs), (theirs, ours)):
                self._threads.append(threading.Thread(target=self._relay, args=pair, daemon=True))
                self._threads[-1].start()

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
