"""Why there is nothing to choose from: which names are not known well enough, and how long that will last."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pairity.books.features import MIN_BARS, NameFeatures, choose_universe
from pairity.books.ranks import MIN_NAMES
from pairity.number_formats import format_count

_MOST_NAMED = 6


def explain_no_universe(features: Mapping[str, NameFeatures], able: Collection[str]) -> str | None:
    """Return in words why no book can be made of the names of `able`; None where there are enough.

    `features` are of those of which a row is known at the close. Hours that are said to be lacking pass only if no bar
    is missed.
    """
    known = set(choose_universe(features, len(features)))
    if len(known) >= MIN_NAMES:
        return None
    lacking = sorted(name for name in able if name not in known)
    said = [f"{name} {_explain(features.get(name))}" for name in lacking[:_MOST_NAMED]]
    more = [f"{len(lacking) - _MOST_NAMED} more"] if len(lacking) > _MOST_NAMED else []
    return (
        f"nothing to choose from: {len(known)} of {format_count(len(able), 'name')} known well enough, {MIN_NAMES} are "
        f"needed ({'; '.join([*said, *more])})"
    )


def _explain(known: NameFeatures | None) -> str:
    if known is None:
        return "has no features of this close in time"
    if known.bars < MIN_BARS:
        missing = MIN_BARS - known.bars
        return f"has {known.bars:,} of {MIN_BARS:,} hourly bars, {format_count(missing, 'hour')} to go"
    if not known.notional:
        return "has no volume of the last 720 hours"
    return "has no volatility of the last 720 hours"
