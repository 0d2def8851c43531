"""Print the fault matrix as it is played: `python -m tests.fault_matrix [WORD …]` plays the rows with these words,
or of these kinds."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.running import paper_exchange
from tests.fault_matrix.feed import Feed
from tests.fault_matrix.operations import FEED, OPERATIONS
from tests.fault_matrix.playing import play_row, small_exchange
from tests.fault_matrix.situations import ALL


def play_feed(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as made, paper_exchange("--seed", "11") as exchange:
        feed = Feed(exchange, Path(made))
        for situation in ALL:
            if FEED.fits(situation) and (not words or any(word in situation.name for word in words)):
                for long, lasting in (("once", False), ("lasts", True)):
                    begun = time.monotonic()
                    result, wrong = feed.play(situation, lasting=lasting)
                    took = time.monotonic() - begun
                    print(f"{situation.name} | feed | {long} | {result} | {took:.1f} s", flush=True)
                    for text in wrong:
                        print(f"    WRONG {text}", flush=True)


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
    if sys.argv[1:2] == ["feed"]:
        play_feed(sys.argv[2:])
    else:
        main(sys.argv[1:])
