"""A server that does not keep to HTTP: it writes whatever bytes a test gives it, as slowly as the test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

Script = Callable[[], Iterable[bytes]]
"""The pieces of one answer; whatever the script waits for between two pieces is waited for on the line."""


@contextmanager
def answering(script: Script) -> Iterator[tuple[str, list[bytes]]]:
    """Serve `script` to every request; yields the address and the requests that came."""
    requests: list[bytes] = []
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(line: socket.socket) -> None:
        with line, suppress(OSError):
            requests.append(line.recv(65536))
            for piece in script():
                if over.is_set():
                    return
                line.sendall(piece)
            line.shutdown(socket.SHUT_WR)
            line.settimeout(5)
            while line.recv(65536):
                pass

    def accept() -> None:
        while not over.is_set():
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(line,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        over.set()
        with suppress(OSError):  # wakes the thread that waits
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
