"""The soak: thousands of cycles of a trading process against a paper exchange that does what venues do.

    make soak CYCLES=5000 SEED=1            # chapters of 50 cycles, each with a seed of its own
    make soak CYCLES=50 SEED=1 CHAPTER=17   # one of them again, with its whole story

The same seed gives the same chapters. Everything is real but time and what decides: the paper exchange over HTTP, the
ccxt client, journal, executor, reconciliation, watch, supervisor.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import click

from tests.soak.chapter import play

CHAPTER = 50


@click.command()
@click.option("--cycles", default=5000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--chapter", type=int, default=None, help="Play only this one, and tell its story.")
@click.option("--first", default=0, show_default=True, help="Number of the first chapter.")
@click.option("--keep-going", is_flag=True, help="Go on after a failure.")
def main(cycles: int, seed: int, chapter: int | None, first: int, keep_going: bool) -> None:
    """Play chapters until so many cycles have passed, or one of them fails."""
    total: Counter[str] = Counter()
    failed, worst_ms, begun = [], 0, time.monotonic()
    numbers = [chapter] if chapter is not None else range(first, first + -(-cycles // CHAPTER))
    for number in numbers:
        outcome = play(f"{seed}/{number}", min(CHAPTER, cycles))
        total += outcome.counts
        worst_ms = max(worst_ms, outcome.worst_ms)
        if outcome.wrong or chapter is not None:
            print(*outcome.story, sep="\n")
        if outcome.wrong:
            failed.append(number)
            print(f"chapter {number} of seed {seed} FAILED:", *outcome.wrong, sep="\n  ", flush=True)
            if not keep_going:
                break
        print(f"chapter {number}: {dict(outcome.counts)} {time.monotonic() - begun:.0f} s", flush=True)
    print(f"seed {seed}: {dict(total)}, longest without a stop {worst_ms / 1000:.1f} s, failed chapters: {failed}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
