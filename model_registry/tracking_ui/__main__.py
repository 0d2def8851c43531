"""The process of `pairity ui`: `python -m model_registry.tracking_ui HOME SOCKET PAGE`. It is given no keys.

SOCKET is the number of an open file: the socket listens already. A database elsewhere is named in the environment.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType


def _end(_number: int, _frame: FrameType | None) -> None:
    """End as asked: Ctrl-C and SIGTERM are how this process is meant to end, at whatever moment."""
    sys.exit(0)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # After that: MLflow takes seconds to load
    from model_registry.tracking_ui.server import DATABASE, run
    from pairity.layout import Layout

    home, handle, page = sys.argv[1:]
    run(Layout(Path(home), os.environ.get(DATABASE)), socket.socket(fileno=int(handle)), page)
