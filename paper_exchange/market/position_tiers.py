"""Position tiers for instruments that do not bring their own: the larger the position, the more margin it needs.

The venue publishes its tiers per instrument; these follow their pattern. Each tier allows less leverage than the one
before, and above the first half of the initial margin is maintenance margin. The last tier ends at the largest
position that may be held.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from paper_exchange.market.market import Tier

_LEVERAGES = (100, 75, 50, 40, 30, 20, 15, 10, 8, 5, 3, 2, 1)
_FIRST_USDT = {100: 5_000_000, 50: 1_000_000}
_OTHER_FIRST_USDT = 250_000
_GROWTH = (1, 2, 3, 5, 8, 12, 16, 20, 24, 30, 36, 42, 50)
"""Ends of the tiers as multiples of the first one's."""


def make_tiers(*, leverage: int, maintenance: Decimal, contract_usdt: Decimal) -> tuple[Tier, ...]:
    """Return the tiers of an instrument with this largest leverage and first maintenance rate, ascending.

    `contract_usdt` is what a contract is typically worth; tiers end at whole contracts.
    """
    first = (Decimal(_FIRST_USDT.get(leverage, _OTHER_FIRST_USDT)) / contract_usdt).to_integral_value(ROUND_CEILING)
    lower = [Decimal(lever) for lever in _LEVERAGES if lever < leverage]
    later = [(lever, max(maintenance, round(1 / (2 * lever), 4))) for lever in lower]
    rates = [(Decimal(leverage), maintenance), *later]
    return tuple(
        Tier(max_sz=first * growth, maintenance_rate=rate, max_leverage=lever)
        for growth, (lever, rate) in zip(_GROWTH, rates, strict=False)
    )
