"""The process of `pairity ui`: `python -m model_registry.tracking_ui HOME PORT`. It is given no keys."""

from __future__ import annotations

import sys
from pathlib import Path

from model_registry.tracking_ui.server import run
from pairity.layout import Layout

if __name__ == "__main__":
    run(Layout(Path(sys.argv[1])), int(sys.argv[2]))
