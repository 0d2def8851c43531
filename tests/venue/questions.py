"""Every question that the product asks the venue, as it asks it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from ingestion.sources.okx import OkxSource
from pairity.strategy.types import Side
from serving.execution.okx import OkxVenue
from serving.execution.venue_records import AttachedStops, OrderRequest, ProtectionRequest
from tests.venue.good_answers import BTC, SINCE, UNTIL
from venue.okx_client import call, server_time

Ask = Callable[[Any], Awaitable[Any]]


def desk(ask: Callable[[OkxVenue], Awaitable[Any]]) -> Ask:
    return lambda client: ask(OkxVenue(client, retries=0))


def market(ask: Callable[[OkxSource], Awaitable[Any]]) -> Ask:
    def run(client: Any) -> Awaitable[Any]:
        return ask(OkxSource(client, retries=0))

    return run


async def _live_funding(source: OkxSource) -> Any:
    from ingestion.sources.okx_schedule import SettlementSchedule

    schedule = SettlementSchedule(lambda method, params: call(source.client, method, params, retries=0))
    return await schedule.exclude("BTC", SINCE, UNTIL)


READS: dict[str, tuple[str, Ask]] = {
    "time": ("public/time", server_time),
    "config": ("account/config", desk(lambda venue: venue.ensure_net_mode())),
    "balance": ("account/balance", desk(lambda venue: venue.balance())),
    "positions": ("account/positions", desk(lambda venue: venue.positions())),
    "leverage": ("account/leverage-info", desk(lambda venue: venue.ensure_leverage(BTC, 2))),
    "bills": ("account/bills", desk(lambda venue: venue.funding_paid(BTC, SINCE, UNTIL))),
    "order": ("trade/order", desk(lambda venue: venue.find_order(BTC, "pairitye1"))),
    "algo": ("trade/order-algo", desk(lambda venue: venue.find_algo(BTC, "pairitys1"))),
    "open orders": ("trade/orders-pending", desk(lambda venue: venue.open_orders())),
    "recent orders": ("trade/orders-history", desk(lambda venue: venue.recent_orders())),
    "algos": ("trade/orders-algo-pending", desk(lambda venue: venue.algo_orders())),
    "fills": ("trade/fills-history", desk(lambda venue: venue.fills(None, SINCE))),
    "ticker": ("market/ticker", desk(lambda venue: venue.last_price(BTC))),
    "listings": ("public/instruments", market(lambda source: source.listings(["BTC"]))),
    "assets": ("public/instruments", market(lambda source: source.assets())),
    "schedule": ("public/funding-rate", market(_live_funding)),
}
HISTORY = {
    "candles_1h": "market/history-candles",
    "funding": "public/funding-rate-history",
    "mark_1h": "market/history-mark-price-candles",
    "index_1h": "market/history-index-candles",
    "open_interest": "rubik/stat/contracts/open-interest-history",
    "taker_volume_1h": "rubik/stat/taker-volume-contract",
    "trade_bars_1m": "market/history-trades",
}
SNAPSHOT = {
    "book_tops": "market/books",
    "liquidations": "public/liquidation-orders",
    "open_interest": "public/open-interest",
}
READS |= {
    f"history of {name}": (path, market(lambda source, name=name: source.fetch(name, "BTC", SINCE, UNTIL)))
    for name, path in HISTORY.items()
}
READS |= {
    f"snapshot of {name}": (path, market(lambda source, name=name: source.snapshot(name, "BTC")))
    for name, path in SNAPSHOT.items()
}
STOPS = AttachedStops("pairitys1", Decimal(1), Decimal(9))
WRITES: dict[str, tuple[str, Ask]] = {
    "order": (
        "trade/order",
        desk(lambda venue: venue.place(OrderRequest("pairitye1", BTC, Side.BUY, Decimal(1), attached=STOPS))),
    ),
    "protection": (
        "trade/order-algo",
        desk(
            lambda venue: venue.place_protection(
                ProtectionRequest("pairitys1", BTC, Side.SELL, Decimal(1), Decimal(1), Decimal(9))
            )
        ),
    ),
    "cancellation": ("trade/cancel-order", desk(lambda venue: venue.cancel(BTC, "pairitye1"))),
    "cancelled stop": ("trade/cancel-algos", desk(lambda venue: venue.cancel_algo(BTC, "68"))),
}
