"""A small web server on 127.0.0.1 that answers what a test tells it to, faults included."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Web:
    """`files`: path → body (or a function of the query). `faults`: path → what happens to its next requests, in turn.

    A fault is a status (int), "cut" (half of the body, then the line goes dead), "html", or "retry-after".
    """

    files: dict[str, object] = field(default_factory=dict)
    faults: dict[str, list[object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving():
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # else a body waits 40 ms for the acknowledgement of its headers
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            parts = urlsplit(self.path)
            web.asked.append(parts.path)
            web.headers.append(dict(self.headers))
            faults = web.faults.get(parts.path, [])
            fault = faults.pop(0) if faults else None
            body = web.files.get(parts.path)
            if callable(body):
                body = body({name: values[0] for name, values in parse_qs(parts.query).items()})
            if fault == "retry-after":
                self.answer(429, b"slow down", {"Retry-After": "7"})
            elif isinstance(fault, int):
                self.answer(fault, b"fault")
            elif fault == "html":
                self.answer(200, b"<html>maintenance</html>")
            elif body is None:
                self.answer(404, b"nothing here")
            elif fault == "cut":
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            else:
                self.answer(200, body)

        def answer(self, status, body, headers=None):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
