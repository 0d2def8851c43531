"""A webhook of this machine that takes messages, or misbehaves as it is told."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LATE_S = 0.6
"""Seconds after which a late answer comes."""


@dataclass
class Webhook:
    """What came, and what the next requests get: statuses or names of faults, one each; 200 when none is left."""

    url: str = ""
    script: list[int | str] = field(default_factory=list)
    always: int | str = 200
    came: list[dict[str, Any]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def keys(self) -> list[str]:
        """Idempotency keys in the order in which they came."""
        return [item["key"] for item in self.came]

    @property
    def taken(self) -> list[str]:
        """Texts of the messages as a receiver that knows the keys sees them: each once, with 2xx."""
        seen: dict[str, str] = {}
        for item in self.came:
            if item["took"]:
                seen.setdefault(item["key"], item["text"])
        return list(seen.values())

    def wait_for(self, count: int, seconds: float = 8.0) -> None:
        """Wait until so many different messages were taken."""
        until = time.monotonic() + seconds
        while len(self.taken) < count:
            assert time.monotonic() < until, (count, self.came)
            time.sleep(0.01)


@contextlib.contextmanager
def webhook(port: int = 0) -> Iterator[Webhook]:
    """Serve a webhook while the block runs."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # else a body waits 40 ms for the acknowledgement of its headers
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = hook.script.pop(0) if hook.script else hook.always
            text = json.loads(body).get("text", "") if body else ""
            item = {
                "path": self.path,
                "headers": dict(self.headers),
                "key": self.headers.get("Idempotency-Key"),
                "body": body,
                "text": text,
                "took": fault in (200, "late", "flood", "unnoticed"),
            }
            hook.came.append(item)
            with contextlib.suppress(OSError):
                answer(self, fault)

        do_GET = do_POST

        def log_message(self, *_given: object) -> None: ...

    def answer(handler: BaseHTTPRequestHandler, fault: int | str) -> None:
        if fault in ("hang", "unnoticed"):
            hook.released.wait(20)
            handler.close_connection = True
        elif fault == "cut":
            handler.connection.close()
        elif fault == "garbage":
            handler.wfile.write(b"\x00\xff not http\r\n\r\n")
            handler.close_connection = True
        elif fault == "headers":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 10_000_000 + b"\r\n\r\n")
        elif fault == "flood":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
            for _ in range(2000):
                handler.wfile.write(b"x" * 65536)
        elif fault == "drip":
            handler.wfile.write(b"HTTP/1.1 ")
            for _ in range(200):
                handler.wfile.write(b"2")
                handler.wfile.flush()
                if hook.released.wait(0.05):
                    break
        else:
            if fault == "late":
                time.sleep(LATE_S)
            handler.send_response(200 if fault == "late" else int(fault))
            if fault in (301, 302, 307, 308):
                handler.send_header("Location", f"{hook.url}/elsewhere")
            if fault == 429:
                handler.send_header("Retry-After", "0")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    hook.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
