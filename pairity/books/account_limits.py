"""Limits of a book for the account that trades it, made of the settings: here alone.

Studies, leaderboards, the gate, registrations, a replay's backtest and the trading process hold a book to the same.
"""

from __future__ import annotations

from pairity.books.limits import BookLimits
from pairity.books.margin import with_margin
from pairity.settings import Settings


def make_limits(settings: Settings) -> BookLimits:
    """Return the limits that the settings name, and what an account can margin at `strategy.leverage`."""
    own = settings.books
    limits = BookLimits(volatility=own.volatility_target, gross=own.gross_max, net=own.net_max)
    return with_margin(limits, settings.strategy.leverage)
