"""Print the fault matrix as it is played: `python -m tests.fault_matrix [WORD …]` plays the rows with these words,
or of these kinds."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.fault_matrix.operations import OPERATIONS
from tests.fault_matrix.playing import play_row, small_exchange
from tests.fault_matrix.situations import ALL


def main(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with small_exchange(folder) as url:
            for situation in ALL:
                if words and not any(word in situation.name or word == situation.kind for word in words):
                    continue
                for operation in OPERATIONS:
                    begun = time.monotonic()
                    for long, result, wrong in play_row(situation, operation, url, folder):
                        took = time.monotonic() - begun
                        print(f"{situation.name} | {operation.name} | {long} | {result} | {took:.1f} s", flush=True)
                        for text in wrong:
                            print(f"    WRONG {text}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
