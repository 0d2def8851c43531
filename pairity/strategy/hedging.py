"""Whole lots for both legs of a pair at once: rounding each leg by itself would undo the hedge.

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
    """What one leg can be made of: `unit` is the notional of one lot in USDT, counts are in lots."""

    unit: Decimal
    fewest: int
    most: int | None

    @classmethod
    def of(cls, spec: ContractSpec, price: Decimal, least_notional: Decimal) -> Lots:
        """Lots of a contract at `price`, of which the venue and `least_notional` (USDT) ask a minimum."""
        unit = spec.notional(spec.lot_sz, price)
        fewest = max(_ceiling(spec.min_sz / spec.lot_sz), _ceiling(least_notional / unit), 1)
        most = None if spec.max_market_sz is None else _floor(spec.max_market_sz / spec.lot_sz)
        return cls(unit, fewest, most)

    def allow(self, count: int) -> bool:
        """Whether so many lots may be ordered at once."""
        return self.fewest <= count and (self.most is None or count <= self.most)


@dataclass(frozen=True, slots=True)
class _Fit:
    base: int
    quote: int
    total: Decimal
    error: Decimal


def hedged_lots(
    budget: Decimal, hedge_ratio: Decimal, base: Lots, quote: Lots, tolerance: Decimal
) -> tuple[int, int] | str:
    """Lots of the base and of the quote leg, or the reason for which there are none.

    Admitted are counts whose quote leg is the whole number of lots just below or above the exact hedge, with both legs
    within their limits, a total notional of at most `budget` and |N_quote/(hedge_ratio·N_base) − 1| ≤ `tolerance`. Of
    those whose total is at most the share `tolerance` below the largest one, the best ratio is taken; then the largest
    total, then the largest base leg. `hedge_ratio` is positive.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        fits: list[_Fit] = []
        largest, sized = Decimal(0), False
        for count in _descending(budget, hedge_ratio, base, quote):
            if count * base.unit * (1 + hedge_ratio) + quote.unit < (1 - tolerance) * largest:
                break
            for fit in _fits(count, budget, hedge_ratio, base, quote):
                sized = True
                if fit.error <= tolerance:
                    fits.append(fit)
                    largest = max(largest, fit.total)
        if not fits:
            return f"no whole lots within {tolerance:%} of the hedge ratio" if sized else TOO_SMALL
        near = [fit for fit in fits if fit.total >= (1 - tolerance) * largest]
        best = min(near, key=lambda fit: (fit.error, -fit.total, -fit.base))
        return best.base, best.quote


def _descending(budget: Decimal, hedge_ratio: Decimal, base: Lots, quote: Lots) -> Iterator[int]:
    """Base lots to be tried, most first: outside them a leg breaks its limits or the total the budget."""
    top = _floor((budget + quote.unit) / (base.unit * (1 + hedge_ratio)))
    top = top if base.most is None else min(top, base.most)
    bottom = max(base.fewest, _floor((quote.fewest - 1) * quote.unit / (base.unit * hedge_ratio)))
    return iter(range(top, bottom - 1, -1))


def _fits(count: int, budget: Decimal, hedge_ratio: Decimal, base: Lots, quote: Lots) -> Iterator[_Fit]:
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
