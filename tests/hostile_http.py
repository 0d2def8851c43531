"""Requests as a hostile page or stranger sends them, byte by byte, and what a server of this machine does to each."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

EVIL_HOSTS = (
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example:{port}",
    "127.0.0.1:{port}@evil.example",
    "evil.example@127.0.0.1:{port}",
    "0.0.0.0:{port}",
    "127.1:{port}",
    "2130706433:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "localhost.:{port}",
    "127.0.0.1:{port}, evil.example",
    "",
)
EVIL_HEADERS = (
    "Origin: http://evil.example",
    "Origin: https://127.0.0.1:{port}",
    "Origin: http://127.0.0.1",
    "Origin: http://127.0.0.1:1",
    "Origin: null",
    "Origin: file://",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Site: same-site",
    "Host: evil.example",
)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def talk(url: str, *pieces: bytes, pause_s: float = 0.0, timeout_s: float = 10.0) -> bytes:
    """Send the pieces one by one and return all that comes until the server closes; what cannot be sent is dropped."""
    with socket.create_connection(("127.0.0.1", port_of(url)), timeout=timeout_s) as connection:
        answer = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
            while chunk := connection.recv(65_536):
                answer += chunk
        except (ConnectionError, TimeoutError):
            pass
        return answer


def status_of(answer: bytes) -> int:
    """Return the status of an answer; 0 where the connection was ended without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) else 0


def request(
    method: str, path: str, url: str, *headers: str, host: str = "127.0.0.1:{port}", body: bytes = b""
) -> bytes:
    """Return the bytes of a request after which the server closes."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines).replace("{port}", str(port_of(url)))
    return f"{head}\r\n\r\n".encode() + body
