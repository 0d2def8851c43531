"""Whole lots for both legs of a pair at once: rounding each leg by itself would undo the hedge.

Formulas: docs/formulas.md, Size.

The hedge ratio is the slope of ln a on ln b: a USDT in the base leg is balanced by `hedge_ratio` USDT in the quote leg.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from math import lcm
from typing import NamedTuple

from pairity.universe import ContractSpec

TOO_SMALL = "a leg below the minimum size"
_DIGITS = 80
"""Prices, sizes and the ratio have up to 17 digits each: with this many their products are exact."""


@dataclass(frozen=True, slots=True)
class Lots:
    """Limits of one leg in lots: `unit` is the notional of one lot in USDT, `fewest` and `most` are counts."""

    unit: Decimal
    fewest: int
    most: int | None

    @classmethod
    def of(cls, spec: ContractSpec, price: Decimal, least_notional: Decimal) -> Lots:
        """Return the limits of a contract at `price`, given the venue's minimum and `least_notional` (USDT)."""
        unit = spec.notional(spec.lot_sz, price)
        fewest = max(_ceiling(spec.min_sz / spec.lot_sz), _ceiling(least_notional / unit), 1)
        most = None if spec.max_entry_sz is None else _floor(spec.max_entry_sz / spec.lot_sz)
        return cls(unit, fewest, most)

    def allow(self, count: int) -> bool:
        """Return whether so many lots may be ordered at once."""
        return self.fewest <= count and (self.most is None or count <= self.most)


@dataclass(frozen=True, slots=True)
class _Scaled:
    """The terms of one search as whole numbers: a count of them is compared without rounding, and fast.

    Amounts are in parts of a USDT of which `base`, `quote` and `budget` all are whole numbers; `hedge` and `tolerance`
    are fractions.
    """

    base: int
    quote: int
    budget: int
    hedge: tuple[int, int]
    tolerance: tuple[int, int]

    @classmethod
    def of(cls, budget: Decimal, hedge_ratio: Decimal, base: Lots, quote: Lots, tolerance: Decimal) -> _Scaled:
        amounts = [one.as_integer_ratio() for one in (base.unit, quote.unit, budget)]
        parts = lcm(*(denominator for _, denominator in amounts))
        unit, other, most = (numerator * (parts // denominator) for numerator, denominator in amounts)
        return cls(unit, other, most, hedge_ratio.as_integer_ratio(), tolerance.as_integer_ratio())


class _Fit(NamedTuple):
    """Lots of both legs, their total, and how far `quote` is from the exact hedge `wanted`, in equal parts."""

    base: int
    quote: int
    total: int
    missed: int
    wanted: int


def find_hedged_lots(
    budget: Decimal, hedge_ratio: Decimal, base: Lots, quote: Lots, tolerance: Decimal
) -> tuple[int, int] | str:
    """Return the lots of the base and the quote leg, or the reason why there are none.

    A candidate is a number of base lots with the whole number of quote lots just below or above the exact hedge. Both
    legs must be within their limits, the total notional must be at most `budget` (USDT), and |N_quote/(hedge_ratio·
    N_base) − 1| at most `tolerance`. Among candidates whose total is at most the share `tolerance` below the largest
    total, the best ratio wins; then the largest total, then the largest base leg. `hedge_ratio` is positive.
    """
    scaled = _Scaled.of(budget, hedge_ratio, base, quote, tolerance)
    fits, sized = _list_fits(scaled, base, quote)
    if not fits:
        return f"no whole lots within {tolerance:%} of the hedge ratio" if sized else TOO_SMALL
    share, whole = scaled.tolerance
    least = (whole - share) * max(fit.total for fit in fits)
    best: _Fit | None = None
    for fit in fits:
        if fit.total * whole >= least and (best is None or _is_better(fit, best)):
            best = fit
    assert best is not None  # the one with the largest total at least
    return best.base, best.quote


def _is_better(fit: _Fit, best: _Fit) -> bool:
    # Errors are fractions of what is wanted: a/b < c/d is a·d < c·b.
    own, other = fit.missed * best.wanted, best.missed * fit.wanted
    return own < other or (own == other and (fit.total, fit.base) > (best.total, best.base))


def _list_fits(scaled: _Scaled, base: Lots, quote: Lots) -> tuple[list[_Fit], bool]:
    """Return the candidates within the tolerance that may win, and whether there are any with whatever error.

    An account has thousands of lots: those whose total is far below the largest are left out, and those that another
    one beats in error, total and base leg alike.
    """
    unit, other_unit, budget = scaled.base, scaled.quote, scaled.budget
    (ratio, parts), (share, whole) = scaled.hedge, scaled.tolerance
    fewest, most = quote.fewest, quote.most
    # One quote lot, and what one base lot wants of them, in the same parts.
    step, slope = other_unit * parts, unit * ratio
    fits: list[_Fit] = []
    largest, sized = 0, False
    fine, of, sum_of_fine = 1, 0, 0  # the least error so far, and its total; 1/0 is above all others
    for count in _list_counts(scaled, base, quote):
        # Counts descend: from here on every total is too far below the largest one.
        if (count * unit * (parts + ratio) + step) * whole < (whole - share) * largest * parts:
            break
        notional, wanted = count * unit, count * slope
        below, left = divmod(wanted, step)
        for other, missed in ((below, left), (below + 1, step - left)):
            total = notional + other * other_unit
            if total > budget or other < fewest or (most is not None and other > most):
                continue
            sized = True
            is_beaten = missed * of >= fine * wanted
            if (is_beaten and total <= sum_of_fine) or missed * whole > share * wanted:
                continue
            fits.append(_Fit(count, other, total, missed, wanted))
            largest = max(largest, total)
            if not is_beaten:
                fine, of, sum_of_fine = missed, wanted, total
    return fits, sized


def _list_counts(scaled: _Scaled, base: Lots, quote: Lots) -> range:
    """Return the base lots to try, most first; with others a leg breaks its limits or the total the budget."""
    ratio, parts = scaled.hedge
    top = (scaled.budget + scaled.quote) * parts // (scaled.base * (parts + ratio))
    top = top if base.most is None else min(top, base.most)
    bottom = max(base.fewest, (quote.fewest - 1) * scaled.quote * parts // (scaled.base * ratio))
    return range(top, bottom - 1, -1)


def compute_hedge_error(base: Decimal, quote: Decimal, hedge_ratio: Decimal) -> Decimal:
    """Return |quote/(hedge_ratio·base) − 1|: how far two legs' notionals (USDT, above 0) are from the hedge ratio."""
    with localcontext() as context:
        context.prec = _DIGITS
        return abs(quote / (hedge_ratio * base) - 1)


def match_quote_lots(base: Decimal, hedge_ratio: Decimal, quote: Lots, tolerance: Decimal) -> int | None:
    """Return the quote lots that hedge a base leg of `base` USDT best; None where none is within `tolerance`.

    Between two that are equally good the smaller one. For a base leg that was not filled as it was sized.
    """
    counts = _list_beside(base * hedge_ratio / quote.unit, quote)
    errors = {count: compute_hedge_error(base, count * quote.unit, hedge_ratio) for count in counts}
    return _choose_best(errors, tolerance)


def match_base_lots(quote: Decimal, hedge_ratio: Decimal, base: Lots, tolerance: Decimal) -> int | None:
    """Return the base lots that a quote leg of `quote` USDT hedges best; None where none is within `tolerance`."""
    counts = _list_beside(quote / (hedge_ratio * base.unit), base)
    errors = {count: compute_hedge_error(count * base.unit, quote, hedge_ratio) for count in counts}
    return _choose_best(errors, tolerance)


def _list_beside(exact_count: Decimal, limits: Lots) -> list[int]:
    """Return the allowed counts that are nearest to an exact one, from below and from above."""
    below, most = _floor(exact_count), limits.most
    within = (max(limits.fewest, count if most is None else min(count, most)) for count in (below, below + 1))
    return [count for count in within if limits.allow(count)]


def _choose_best(errors: dict[int, Decimal], tolerance: Decimal) -> int | None:
    admitted = [(error, count) for count, error in errors.items() if error <= tolerance]
    return min(admitted)[1] if admitted else None


def _floor(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_FLOOR))


def _ceiling(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_CEILING))
