"""What is asked of the exchange for each recorded answer, and what may differ from it."""

import json
import os
from pathlib import Path

import pytest

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
ACCOUNT, ALGO, MARKET = "trading__account__rest-api-", "order__book__trading-algo-trading-", "order__book__trading-"
TRADE, PUBLIC, STATISTICS = "order__book__trading-trade-", "public__data__rest-api-", "trading__statistics__rest-api-"
SWAP, OF_BTC = {"instType": "SWAP"}, {"instId": BTC}
RECORDED = os.environ.get("PAIRITY_RECORDED_DATA", "")
FOLDER = Path(RECORDED or "/nowhere") / "payloads" / "okx"
START_MS = 1_767_225_600_000 + 9 * 3_600_000
ORDER = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "2"}
COMPARED = [
    pytest.mark.recorded,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="PAIRITY_RECORDED_DATA has no payloads of OKX"),
]
CROSS = {"instId": BTC, "mgnMode": "cross"}
TRIGGER = {**ORDER, "ordType": "trigger", "triggerPx": "1000", "orderPx": "-1"}
FAMILY = {"instType": "SWAP", "tdMode": "cross", "instFamily": "BTC-USDT"}

READS = {
    f"guide/{ACCOUNT}get-account-configuration": ("account/config", {}),
    f"guide/{ACCOUNT}get-balance": ("account/balance", {}),
    f"guide/{ACCOUNT}get-bills-details-last-3-months": ("account/bills-archive", SWAP),
    f"guide/{ACCOUNT}get-bills-details-last-7-days": ("account/bills", SWAP),
    f"guide/{ACCOUNT}get-fee-rates": ("account/trade-fee", SWAP),
    f"guide/{ACCOUNT}get-instruments": ("account/instruments", SWAP),
    f"guide/{ACCOUNT}get-leverage": ("account/leverage-info", CROSS),
    f"guide/{ACCOUNT}get-positions": ("account/positions", SWAP),
    f"guide/{ACCOUNT}get-positions-history": ("account/positions-history", SWAP),
    f"guide/{ALGO}get-algo-order-details": ("trade/order-algo", {"algoClOrdId": "waiting1"}),
    f"guide/{ALGO}get-algo-order-history": ("trade/orders-algo-history", {"ordType": "oco", "state": "effective"}),
    f"guide/{ALGO}get-algo-order-list": ("trade/orders-algo-pending", {"ordType": "conditional,oco"}),
    f"guide/{MARKET}market-data-get-candlesticks": ("market/candles", OF_BTC),
    f"guide/{MARKET}market-data-get-candlesticks-history": ("market/history-candles", OF_BTC),
    f"guide/{MARKET}market-data-get-order-book": ("market/books", OF_BTC),
    f"guide/{MARKET}market-data-get-ticker": ("market/ticker", OF_BTC),
    f"guide/{MARKET}market-data-get-tickers": ("market/tickers", SWAP),
    f"guide/{MARKET}market-data-get-trades": ("market/trades", OF_BTC),
    f"guide/{MARKET}market-data-get-trades-history": ("market/history-trades", OF_BTC),
    f"guide/{TRADE}get-order-details": ("trade/order", {"instId": BTC, "clOrdId": "filled1"}),
    f"guide/{TRADE}get-order-history-last-7-days": ("trade/orders-history", SWAP),
    f"guide/{TRADE}get-order-list": ("trade/orders-pending", SWAP),
    f"guide/{TRADE}get-transaction-details-last-3-days": ("trade/fills", SWAP),
    f"guide/{TRADE}get-transaction-details-last-3-months": ("trade/fills-history", SWAP),
    f"guide/{PUBLIC}get-funding-rate": ("public/funding-rate", OF_BTC),
    f"guide/{PUBLIC}get-funding-rate-history": ("public/funding-rate-history", OF_BTC),
    f"guide/{PUBLIC}get-index-candlesticks": ("market/index-candles", {"instId": "BTC-USDT"}),
    f"guide/{PUBLIC}get-instruments": ("public/instruments", SWAP),
    f"guide/{PUBLIC}get-limit-price": ("public/price-limit", OF_BTC),
    f"guide/{PUBLIC}get-mark-price": ("public/mark-price", SWAP),
    f"guide/{PUBLIC}get-mark-price-candlesticks": ("market/mark-price-candles", OF_BTC),
    f"guide/{PUBLIC}get-open-interest": ("public/open-interest", SWAP),
    f"guide/{PUBLIC}get-position-tiers": ("public/position-tiers", FAMILY),
    f"guide/{PUBLIC}get-premium-history": ("public/premium-history", OF_BTC),
    f"guide/{PUBLIC}get-system-time": ("public/time", {}),
    f"guide/{STATISTICS}get-contract-long-short-ratio": (
        "rubik/stat/contracts/long-short-account-ratio-contract",
        OF_BTC,
    ),
    f"guide/{STATISTICS}get-contract-open-interest-history": ("rubik/stat/contracts/open-interest-history", OF_BTC),
    f"guide/{STATISTICS}get-contract-taker-volume": ("rubik/stat/taker-volume-contract", OF_BTC),
    f"guide/{STATISTICS}get-contracts-open-interest-and-volume": (
        "rubik/stat/contracts/open-interest-volume",
        {"ccy": "BTC"},
    ),
    f"guide/{STATISTICS}get-taker-volume": ("rubik/stat/taker-volume", {"ccy": "BTC", "instType": "CONTRACTS"}),
    "guide/status__get__status": ("system/status", {}),
    "recorded/account-config_net_mode_redacted": ("account/config", {}),
    "recorded/account-trade-fee_SWAP": ("account/trade-fee", SWAP),
    "recorded/funding-rate-history_after1790726400000_before1790553599999": ("public/funding-rate-history", OF_BTC),
    "recorded/history-candles_BTC-USDT-SWAP_1m_limit3": ("market/history-candles", OF_BTC),
    "recorded/history-candles_bad_bar_http200": ("market/history-candles", {**OF_BTC, "bar": "1h"}),
    "recorded/history-trades_USDC-USDT-SWAP_after3031607_limit3": ("market/history-trades", OF_BTC),
    "recorded/instruments_SWAP_BTCUSD_BTCUSDT_ETHUSDT": ("public/instruments", SWAP),
    "recorded/instruments_SWAP_USDC-USDT-SWAP": ("public/instruments", SWAP),
    "cryptofeed/public_instruments_SWAP": ("public/instruments", SWAP),
    "cryptofeed/public_instruments_FUTURES": ("public/instruments", SWAP),
    "cryptofeed/public_instruments_SPOT": ("public/instruments", SWAP),
    "crypto-sector-board/candles": ("market/candles", OF_BTC),
    "crypto-sector-board/tickers": ("market/tickers", SWAP),
    "nautilus_trader/http_get_account_balance": ("account/balance", {}),
    "nautilus_trader/http_get_account_positions-history": ("account/positions-history", {}),
    "nautilus_trader/http_get_candlesticks": ("market/candles", OF_BTC),
    "nautilus_trader/http_get_candlesticks_full": ("market/candles", OF_BTC),
    "nautilus_trader/http_get_funding_rate_history": ("public/funding-rate-history", OF_BTC),
    "nautilus_trader/http_get_index_price": ("market/index-tickers", {"instId": "BTC-USDT"}),
    "nautilus_trader/http_get_instruments_futures": ("public/instruments", SWAP),
    "nautilus_trader/http_get_instruments_margin": ("public/instruments", SWAP),
    "nautilus_trader/http_get_instruments_spot": ("public/instruments", SWAP),
    "nautilus_trader/http_get_instruments_swap": ("public/instruments", SWAP),
    "nautilus_trader/http_get_mark_price": ("public/mark-price", SWAP),
    "nautilus_trader/http_get_order_book": ("market/books", OF_BTC),
    "nautilus_trader/http_get_orders_algo_history": (
        "trade/orders-algo-history",
        {"ordType": "oco", "state": "canceled"},
    ),
    "nautilus_trader/http_get_orders_algo_pending": ("trade/orders-algo-pending", {"ordType": "trigger"}),
    "nautilus_trader/http_get_orders_algo_pending_attached_oco": ("trade/orders-algo-pending", {"ordType": "oco"}),
    "nautilus_trader/http_get_orders_algo_pending_close_fraction": (
        "trade/orders-algo-pending",
        {"ordType": "conditional"},
    ),
    "nautilus_trader/http_get_orders_history": ("trade/orders-history", SWAP),
    "nautilus_trader/http_get_orders_pending": ("trade/orders-pending", SWAP),
    "nautilus_trader/http_get_orders_pending_with_attached_tp_sl": ("trade/orders-pending", SWAP),
    "nautilus_trader/http_get_position_tiers": ("public/position-tiers", FAMILY),
    "nautilus_trader/http_get_positions": ("account/positions", SWAP),
    "nautilus_trader/http_get_trade_fee_response": ("account/trade-fee", SWAP),
    "nautilus_trader/http_get_trades": ("market/trades", OF_BTC),
}

WRITES = {
    f"guide/{ACCOUNT}set-leverage": ("account/set-leverage", {"instId": ETH, "lever": "5", "mgnMode": "cross"}),
    f"guide/{TRADE}post-place-order": ("trade/order", ORDER),
    f"guide/{TRADE}post-place-multiple-orders": ("trade/batch-orders", [ORDER, ORDER]),
    f"guide/{TRADE}post-amend-order": ("trade/amend-order", {"instId": BTC, "clOrdId": "rests1", "newSz": "3"}),
    f"guide/{TRADE}post-cancel-order": ("trade/cancel-order", {"instId": BTC, "clOrdId": "rests2"}),
    f"guide/{TRADE}post-cancel-multiple-orders": (
        "trade/cancel-batch-orders",
        [{"instId": BTC, "clOrdId": "rests3"}, {"instId": BTC, "clOrdId": "rests4"}],
    ),
    f"guide/{TRADE}post-cancel-all-after": ("trade/cancel-all-after", {"timeOut": "60", "tag": "t1"}),
    f"guide/{TRADE}post-close-positions": (
        "trade/close-position",
        {"instId": ETH, "mgnMode": "cross", "autoCxl": True},
    ),
    f"guide/{ALGO}post-place-algo-order": ("trade/order-algo", TRIGGER),
    f"guide/{ALGO}post-amend-algo-order": (
        "trade/amend-algos",
        {"instId": BTC, "algoClOrdId": "waiting1", "newSz": "1.5", "reqId": "r1"},
    ),
    f"guide/{ALGO}post-cancel-algo-order": ("trade/cancel-algos", [{"instId": BTC, "algoClOrdId": "gone1"}]),
    "nautilus_trader/http_cancel_algo_order_response": (
        "trade/cancel-algos",
        [{"instId": BTC, "algoClOrdId": "gone2"}],
    ),
    "nautilus_trader/http_place_algo_order_response": ("trade/order-algo", TRIGGER),
    "nautilus_trader/http_place_algo_order_rejected": ("trade/order-algo", {"instId": "NONE"}),
}

NOT_SERVED = {
    "cryptofeed/public_instruments_OPTION_BTC-USD": "options",
    "cryptofeed/public_instruments_OPTION_ETH-USD": "options",
    "nautilus_trader/http_get_instruments_option": "options",
    "nautilus_trader/http_get_option_summary": "options",
    "nautilus_trader/http_get_spread_orders": "spreads",
    "nautilus_trader/http_get_spread_trades": "spreads",
    "nautilus_trader/http_get_spreads": "spreads",
    "nautilus_trader/http_balance_detail_new_fields": "one detail of a balance, compared below",
    "nautilus_trader/http_balance_detail_old_fields": "one detail of a balance, compared below",
    "nautilus_trader/http_transaction_detail": "one fill, compared below",
    "nautilus_trader/http_transaction_detail_empty_fee": "one fill, compared below",
    "nautilus_trader/http_place_order_response": "one element, compared below",
    "nautilus_trader/common_optional_string_to_u64": "a unit test of its parser",
    "nautilus_trader/http_set_position_mode_response": "needs an account without orders, compared below",
    f"guide/{ACCOUNT}set-position-mode": "needs an account without orders, compared below",
    "recorded/throttled_http429_body": "compared below",
}
"""Files without a row above, and why. Messages of WebSocket (`ws_*`, `…-channel`) are not answers."""

OF_SWAPS = (
    "freq longPosRemainingQuota shortPosRemainingQuota method seriesId rpiMinLevel rpiMinPxBand "
    "maxPlatOICoinLmt maxPlatOILmt posLmtAmt posLmtPct alias category"
)
OURS_MORE = {
    f"guide/{PUBLIC}get-funding-rate": "prevFundingTime",  # answers of 2026
    f"guide/{PUBLIC}get-position-tiers": "instType",
    f"guide/{PUBLIC}get-instruments": OF_SWAPS,  # the samples are of spot
    f"guide/{ACCOUNT}get-instruments": OF_SWAPS,
    f"guide/{ACCOUNT}get-balance": "coinUsdPrice maxSpotInUseAmt",  # of other recorded answers
}
"""Keys that we have and the sample has not. Samples of other times and kinds may lack keys without an entry here."""
EXACT = ("guide/", "recorded/funding", "recorded/history", "recorded/instruments")
OTHERS_MORE = {
    f"guide/{ACCOUNT}get-instruments": "elp rpi tradeQuoteCcyList",  # of spot
    f"guide/{PUBLIC}get-instruments": "tradeQuoteCcyList",
    "nautilus_trader/http_get_trade_fee_response": "uly",  # of 2022
    "nautilus_trader/http_balance_detail_old_fields": "clSpotInUse spotInUse",  # what they were called before
}
"""Keys of a sample that a swap has not, or not any more."""


def names_of(value, prefix=""):
    """{path of a key: its type} of an answer; items of a list count as one."""
    if isinstance(value, dict):
        found = {}
        for name, item in value.items():
            found |= names_of(item, f"{prefix}.{name}")
        return found | {prefix: "object"}
    if isinstance(value, list):
        found = {prefix: "list"}
        for item in value:
            found |= names_of(item, f"{prefix}[]")
        return found
    return {prefix: {str: "text", bool: "flag", int: "whole", float: "number", type(None): "null"}[type(value)]}


def samples(name):
    parsed = json.loads((FOLDER / f"{name}.json").read_text())
    return parsed.get("examples", [parsed])


def last(key):
    return key.rpartition(".")[2].removesuffix("[]")
