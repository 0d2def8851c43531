"""Cells of a coverage picture, point by point: which share of the grid inside each cell is stored."""

from __future__ import annotations


def shares_of_cells(times, edges, every):
    """Return per cell the share of its grid points that are in `times`; None where no grid point of [first, last] is.

    The grid begins at the first time. Loops over every point.
    """
    first, last = min(times), max(times)
    found = []
    for place in range(len(edges) - 1):
        points = stored = 0
        at = first
        while at <= last:
            if edges[place] <= at < edges[place + 1]:
                points += 1
                stored += at in times
            at += every
        found.append(None if points == 0 else stored / points)
    return found
