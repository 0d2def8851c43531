"""Intervals of settled funding, found by looking back from each settlement, and what it means to exceed a limit."""

from datetime import timedelta
from fractions import Fraction
from itertools import pairwise

HOURS = (1, 2, 3, 4, 6, 8)


def interval_of(settlements, at):
    """Hours of the settlement in force at `at`, of [(time, rate or None)]; None where it is not known."""
    past = sorted(one for one in settlements if one[0] <= at)
    if len(past) < 2 or past[-1][1] is None:
        return None
    gaps = [after[0] - before[0] for before, after in pairwise(past)]
    gap = gaps[-1]
    if any(earlier < gap for earlier in gaps[-3:-1]) and gap != gaps[-2]:
        return None  # a row may be missing
    return next((hours for hours in HOURS if gap == timedelta(hours=hours)), None)


def is_too_dear(rate, hours, limit_in_8h, sign):
    """Whether a side (+1 long, −1 short) pays more than the limit, in exact fractions of an hour."""
    return Fraction(rate) * sign / Fraction(hours) > Fraction(limit_in_8h) / 8
