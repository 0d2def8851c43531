"""Strength index and rate of change by the book, one number after the other. Nothing here is shared with the product.

The strength index starts from the first change instead of from the mean of the first `period` ones, as the published
library `ta` (0.11) does: its values on a fixed series are recorded below, and this code is held to them.
"""

from __future__ import annotations

from collections.abc import Sequence

PRICES = tuple(100 + (37 * step * step + 11 * step) % 23 / 4 for step in range(24))
STRENGTH_5_OF_TA = (
    None,
    None,
    None,
    None,
    71.5693707354,
    67.5673257583,
    74.6538945602,
    38.1677547354,
    61.6168494749,
    54.2668449627,
    55.9103636828,
    65.2708584261,
    42.6393714397,
    34.0345702021,
    31.7465072514,
    39.3868966064,
    55.8579632279,
    39.2097049820,
    63.6117894219,
    63.6117894219,
    39.0925601835,
    51.9534009497,
    42.8957895807,
    39.6550820813,
)
CHANGE_5_OF_TA = (
    None,
    None,
    None,
    None,
    None,
    3.5000000000,
    3.9800995025,
    -1.2224938875,
    -0.7125890736,
    -0.2409638554,
    0.2415458937,
    0.7177033493,
    1.2376237624,
    -3.8277511962,
    -3.3816425121,
    -2.8915662651,
    -2.3752969121,
    -1.9559902200,
    4.2288557214,
    4.7500000000,
    -0.4962779156,
    0.0000000000,
    0.4987531172,
    -4.5346062053,
)


def strength_index(prices: Sequence[float], period: int) -> list[float | None]:
    """Return Wilder's index, 0 to 100, per price; None for the first `period − 1`, where `ta` says nothing either.

    Source: Wilder 1978, New Concepts in Technical Trading Systems, chapter 6.
    """
    gain = loss = 0.0
    values: list[float | None] = [None if period > 1 else 100.0]
    for step in range(1, len(prices)):
        change = prices[step] - prices[step - 1]
        gain += (max(change, 0.0) - gain) / period
        loss += (max(-change, 0.0) - loss) / period
        known = step >= period - 1
        values.append((100.0 if loss == 0.0 else 100.0 - 100.0 / (1.0 + gain / loss)) if known else None)
    return values


def rate_of_change(prices: Sequence[float], bars: int) -> list[float | None]:
    """Return the change against the price `bars` earlier, in percent; None for the first `bars`."""
    return [
        None if step < bars else 100.0 * (price - prices[step - bars]) / prices[step - bars]
        for step, price in enumerate(prices)
    ]
