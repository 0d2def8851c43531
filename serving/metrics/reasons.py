"""Reasons as labels: a few words out of a fixed list, so that a reason with a number in it is no series of its own."""

from __future__ import annotations

import re

OTHER = "other"
_LIMIT = re.compile(r"limits\.([a-z_]{1,40})")
_KINDS: tuple[tuple[str, str], ...] = (
    ("no features online", "no features"),
    ("stale", "stale"),
    ("infinite", "infinite"),
    ("|z| not above", "z"),
    ("z-score unknown", "unknown"),
    ("probability unknown", "unknown"),
    ("probability not above", "probability"),
    ("hedge ratio", "hedge ratio"),
    ("no contract known", "unknown"),
    ("no price known", "unknown"),
    ("funding of", "funding"),
    ("already held", "held"),
    ("correlation of", "correlation"),
    ("|correlation|", "correlation"),
    ("position below the minimum size", "size"),
    ("a leg below the minimum size", "size"),
    ("no whole lots", "size"),
    ("guarding", "guarding"),
    ("halted", "halted"),
    ("champion", "champion"),
    ("version", "champion"),
    ("no version", "champion"),
)
_HELD_BY = " already held by "
KINDS = (*dict.fromkeys(kind for _, kind in _KINDS), OTHER)
"""Every kind but those that are called after a limit."""


def name_kind(reason: str) -> str:
    """Return the kind of a reason against a pair or an entry; a limit is its own kind.

    >>> name_kind("|z| not above 1.0"), name_kind("limits.day_loss: 5.2% lost today"), name_kind("the moon")
    ('z', 'limit day_loss', 'other')
    """
    for beginning, kind in _KINDS:
        if reason.startswith(beginning):
            limit = _LIMIT.search(reason) if kind in {"guarding", "halted"} else None
            return kind if limit is None else f"limit {limit[1]}"
    if found := _LIMIT.match(reason):
        return f"limit {found[1]}"
    return "held" if _HELD_BY in reason else OTHER
