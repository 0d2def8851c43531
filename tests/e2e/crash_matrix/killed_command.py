"""A command of pairity that dies at a boundary: `python -m … KILL_AT REPORT COMMAND…`; KILL_AT −1 is none.

At its end it writes its boundaries into the file REPORT. They are counted below the data directory of the environment.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.e2e.crash_matrix.boundaries import Boundaries


def main() -> None:
    kill_at, report, *command = sys.argv[1:]
    boundaries = Boundaries(int(kill_at) if int(kill_at) >= 0 else None, Path(os.environ["PAIRITY_HOME"]))
    boundaries.install()
    boundaries.begin("serve")
    sys.argv = ["pairity", *command]
    from pairity_cli.main import main as run_command

    try:
        run_command()
    finally:
        boundaries.stage = None
        Path(report).write_text(json.dumps(boundaries.seen))


if __name__ == "__main__":
    main()
