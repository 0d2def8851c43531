"""What the watched day contains: recorded minutes, two legs, three positions, and faults that a trader must see."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2025, 4, 12, tzinfo=UTC)
HOURS = 24
TOKEN = "a-control-token-that-only-this-day-has"
ASSETS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TRX")
SETTINGS = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
    "PAIRITY_STRATEGY__LEGS": "both",
    "PAIRITY_STRATEGY__MAX_CONCURRENT_POSITIONS": "3",
    "PAIRITY_MODEL__FAMILY": "always_revert",
    "PAIRITY_FEATURES__HEDGE_WINDOW_BARS": "48",
    "PAIRITY_FEATURES__CORRELATION_WINDOW_BARS": "48",
    "PAIRITY_SERVE__CONTROL_TOKEN": TOKEN,
    "PAIRITY_SERVE__WATCH_S": "1",
    "PAIRITY_SERVE__LEASE": "false",
}
EMPTY = json.dumps({"code": "0", "msg": "", "data": []})
QUIET = (3, 4, 5, 6, 9, 11, 16, 21, 23)
"""Hours of the day at which nothing is wrong: every question is asked then."""
CANCELLED_AT, KILLED_AT = 10.2, 22.3
"""Hours at which a person cancels a stop on the venue, and at which the process is killed."""
TOLD = (
    (2.02, "#verdict", r"orders: |The outcome of \d+ orders? is unknown"),
    (7.7, "#verdict", "The venue does not answer"),
    (7.7, "#verdict", "When last seen: held"),
    (7.7, "#positions .age", "not current: the venue does not answer"),
    (7.7, "#bar", "✕ unreachable"),
    (12.1, "#verdict", "The data cannot be used: nothing can be traded on"),
    (12.1, "#verdict", "BTC, ETH, SOL, .*cannot serve publicGetMarketHistoryCandles"),
    (12.1, "#bar", "! stale"),
    (15.4, "#verdict", "doubt: .*the list of positions shows 0 contracts"),
    (17.2, "#verdict", "Nothing is opened in SOL-USDT-SWAP: SOL-USDT-SWAP does not trade: suspend"),
)
"""What must stand on the screen at an hour of the day: where, and in which words."""
AFTERWARDS = (
    "the order to sell .*TRX-USDT-SWAP.* was (refused|rejected)",
    "has an unknown outcome",
    "guarding: venue",
    "guarding: doubt",
)
"""What the events must still say when it is over."""


def at(hour: float) -> str:
    """The instant of an hour of the day."""
    return f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"


def write_script(path: Path) -> None:
    """Write the faults of the day: a late leg, an unknown outcome, an outage, no bars, an empty list, a suspension."""
    order = "POST trade/order"
    refusal = {"code": "51028", "msg": "Contract under delivery", "http_status": 200}
    events: list[dict[str, object]] = [
        # The second leg of the first entry is refused twice, and is there with the third order.
        {"after_requests": 1, "path": order, "fault": "code", "count": 2, "params": refusal},
        # The first leg of the second entry is executed, and nobody hears of it for a quarter of an hour.
        {"after_requests": 4, "path": order, "fault": "reset", "count": 1, "params": {"executed": True}},
        {"at": at(1.99), "path": "GET trade/order", "fault": "html_503", "for_s": 1500},
        {"at": at(7.5), "maintenance": "Matching upgrade", "refuse": True, "for_s": 1800},
        {"at": at(11.95), "path": "market/history-candles", "fault": "maintenance_50001", "for_s": 1200},
        {"at": at(15.3), "path": "account/positions", "fault": "body", "params": {"text": EMPTY}, "for_s": 1200},
        {"at": at(17.1), "instrument": "SOL-USDT-SWAP", "state": "suspend", "for_s": 5400},
    ]
    path.write_text(json.dumps({"event": events}))
