"""Pairs by their forecast outcome: which way and for how long each is worth holding after costs, and what is held.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pairity.books.continuation import PairNames

HORIZONS = (24, 72, 168, 720)
"""Hours for which a pair may be held."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The holding of one pair that is worth most: its side (+1: long the first name) and length.

    `edge`: forecast outcome after costs and funding, as a fraction of the gross.
    """

    side: int
    hours: int
    edge: float


@dataclass(frozen=True, slots=True)
class Stay:
    """A pair that is held: its side, and for how many hours more."""

    side: int
    hours_left: int


def choose_outlook(forecasts: Mapping[tuple[int, int], float], needed: float) -> Outlook | None:
    """Return the holding with the largest forecast per hour among those above `needed`; None where none is.

    `forecasts`: (side, hours) → outcome after costs, a fraction of the gross. Of equal ones the shorter holding is
    taken, then the long side.

    >>> choose_outlook({(1, 24): 0.004, (1, 72): 0.009, (-1, 24): -0.006, (-1, 72): -0.011}, 0.002)
    Outlook(side=1, hours=24, edge=0.004)
    """
    able = [(-edge / hours, hours, -side) for (side, hours), edge in forecasts.items() if edge > needed]
    if not able:
        return None
    _, hours, side = min(able)
    return Outlook(-side, hours, forecasts[-side, hours])


def hold_outlooks(
    held: Mapping[PairNames, Stay], outlooks: Mapping[PairNames, Outlook | None], elapsed: int
) -> dict[PairNames, Stay]:
    """Return the pairs to hold, sorted; `held` are those of the decision `elapsed` hours before.

    `outlooks`: of every pair whose names are both in the universe and priced, None where nothing is worth holding. A
    pair is held for the hours of the outlook that it was entered with, and judged anew when they are over; it leaves
    before where it has no entry any more.
    """
    stays: dict[PairNames, Stay] = {}
    for pair in sorted(outlooks):
        stay, outlook = held.get(pair), outlooks[pair]
        if stay is not None and stay.hours_left > elapsed:
            stays[pair] = Stay(stay.side, stay.hours_left - elapsed)
        elif outlook is not None:
            stays[pair] = Stay(outlook.side, outlook.hours)
    return stays
