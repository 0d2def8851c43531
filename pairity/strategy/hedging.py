"""Whole lots for both legs of a pair at once: rounding each leg by itself would undo the hedge.

Formulas: docs/formulas.md, Size.

The hedge ratio is the slope of ln a on ln b: a USDT in the base leg is balanced by `hedge_ratio` USDT in the quote leg.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

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
class _Fit:
    base: int
    quote: int
    total: Decimal
    error: Decimal


def find_hedged_lots(
    budget: Decimal, hedge_ratio: Decimal, base: Lots, quote: Lots, tolerance: Decimal
) -> tuple[int, int] | str:
    """Return the lots of the base and the quote leg, or the reason why there are none.

    A candidate is a number of base lots with the whole number of quote lots just below or above the exact hedge. Both
    legs must be within their limits, the total notional must be at most `budget` (USDT), and |N_quote/(hedge_ratio·
    N_base) − 1| at most `tolerance`. Among candidates whose total is at most the share `tolerance` below the largest
    total, the best ratio wins; then the largest total, then the largest base leg. `hedge_ratio` is positive.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        fits: list[_Fit] = []
        largest, sized = Decimal(0), False
        for count in _list_counts(budget, hedge_ratio, base, quote):
            # Counts descend: from here on every total is too far below the largest one.
            if count * base.unit * (1 + hedge_ratio) + quote.unit < (1 - tolerance) * largest:
                break
            for fit in _fit_counts(count, budget, hedge_ratio, base, quote):
                sized = True
                if fit.error <= tolerance:
                    fits.append(fit)
                    largest = max(largest, fit.total)
        if not fits:
            return f"no whole lots within {tolerance:%} of the hedge ratio" if sized else TOO_SMALL
        near = [fit for fit in fits if fit.total >= (1 - tolerance) * largest]
        best = min(near, key=lambda fit: (fit.error, -fit.total, -fit.base))
        return best.base, best.quote


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


def _list_counts(budget: Decimal, hedge_ratio: Decimal, base: Lots, quote: Lots) -> Iterator[int]:
    """Return the base lots to try, most first; with others a leg breaks its limits or the total the budget."""
    top = _floor((budget + quote.unit) / (base.unit * (1 + hedge_ratio)))
    top = top if base.most is None else min(top, base.most)
    bottom = max(base.fewest, _floor((quote.fewest - 1) * quote.unit / (base.unit * hedge_ratio)))
    return iter(range(top, bottom - 1, -1))


def _fit_counts(count: int, budget: Decimal, hedge_ratio: Decimal, base: Lots, quote: Lots) -> Iterator[_Fit]:
    notional = count * base.unit
    wanted = notional * hedge_ratio
    below = _floor(wanted / quote.unit)
    for other in (below, below + 1):
        total = notional + other * quote.unit
        if quote.allow(other) and total <= budget:
            yield _Fit(count, other, total, abs(other * quote.unit - wanted) / wanted)


def _floor(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_FLOOR))


def _ceiling(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_CEILING))
