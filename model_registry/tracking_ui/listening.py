"""The port of the tracking UI: on this machine only, and nobody else's."""

from __future__ import annotations

import errno
import socket

from pairity.errors import ConfigError

HOST = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1; ConfigError where the port is taken, or not for this user.

    It listens at once: whoever asks for the same port a moment later is told, and does not wait for this server.
    """
    try:
        return socket.create_server((HOST, port), backlog=128)
    except OSError as error:
        what = "another process uses it" if error.errno == errno.EADDRINUSE else str(error.strerror)
        raise ConfigError(
            f"port {port} of {HOST} cannot be used: {what}",
            "end the other process, or give --port another one (make ui UI_PORT=…)",
        ) from None
