"""Null policies and the lookback that several views share."""

from pairity.timeline import HOUR

FULL = "null unless every hour of the window has a bar"
WINDOW = "null where fewer than 90% of the window's bars exist for both assets"
FUNDING = "null before the first settlement, and when the newest one is older than 24 h or three of its intervals"
INTERVAL = (
    "null with its rate, for a venue's first settlement, across a hole (no 1, 2, 3, 4, 6 or 8 h), and where it is "
    "longer than one of the two before, until it comes twice"
)
PER_HOUR = "null where a rate or its interval is not known"
INFLOW = "null without a source, and when the newest day was complete more than 2 days ago"

LOOKBACK = 400 * HOUR
"""How long before its month every chunk starts: all views but the slow ones share one anchor, longer than their longest
window."""
LONG_LOOKBACK = 2_400 * HOUR
"""The same of slow views: ninety days are their longest window, and a hundred have 2,160 bars also across a hole."""
