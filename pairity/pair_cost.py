"""What pairs cost, said before the work begins: they grow with the square of the assets, everything else with N."""

from __future__ import annotations

from collections.abc import Sequence

from pairity.number_formats import format_fixed

MANY_PAIRS = 1_225
"""Pairs of fifty assets: more than that is said before the work begins."""
_MONTH_HOURS = 720
_FILE_BYTES_PER_ROW = 104 + 57 / 8
"""Bytes of a pair's hour in the published files, compressed, those of books every eighth hour; see docs/sizing.md."""
_MICROSECONDS_PER_ROW = 11.0
"""Processor's time to compute, judge and write a pair's hour; measured by `make bench-pairs`, see docs/sizing.md."""


def describe_pair_cost(traded: Sequence[str]) -> str | None:
    """Return what the pairs of `traded` cost a month, and how to have fewer; None where they are few.

    >>> describe_pair_cost(["BTC", "ETH"]) is None
    True
    """
    count = len(traded) * (len(traded) - 1) // 2
    if count <= MANY_PAIRS:
        return None
    rows = count * _MONTH_HOURS
    return (
        f"{len(traded):,} assets make {count:,} pairs: {rows:,} rows for each month of features, about "
        f"{format_fixed(rows * _FILE_BYTES_PER_ROW / 1e9, 1)} GB on the disk and "
        f"{format_fixed(rows * _MICROSECONDS_PER_ROW / 60e6, 1)} minutes of a processor; set universe.pair_assets "
        "to the assets whose pairs are wanted"
    )
