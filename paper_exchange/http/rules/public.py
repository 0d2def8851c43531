"""Parameters of the public endpoints (docs/okx-protocol.md, What a request must be)."""

from __future__ import annotations

from collections.abc import Mapping

from paper_exchange.http.rules.checks import (
    Check,
    Rules,
    currency,
    digits,
    family,
    instrument_type,
    matching,
    one_of,
    page,
    positive,
    swaps,
    up_to,
)

_BAR: Check = matching(r"[0-9]{1,2}(s|m|H|D|W|M)(utc)?")
_PAGED: Mapping[str, Check] = {"after": digits, "before": digits, "limit": page}
_CANDLES = Rules({"instId": matching(r"[A-Z0-9-]+"), "bar": _BAR, **_PAGED}, ("instId",))
_BY_TYPE: Mapping[str, Check] = {"instType": instrument_type, "instFamily": family, "uly": family}
_STATISTIC: Mapping[str, Check] = {"begin": digits, "end": digits, "limit": page}
_OF_SWAP = Rules({"instId": swaps(), **_STATISTIC}, ("instId",))
_OF_CURRENCY = Rules({"ccy": currency, **_STATISTIC}, ("ccy",))
_BOOK = Rules({"instId": swaps(), "sz": page}, ("instId",))

PUBLIC_RULES: Mapping[tuple[str, str], Rules] = {
    ("GET", "/api/v5/system/status"): Rules(
        {"state": one_of("scheduled", "ongoing", "pre_open", "completed", "canceled")}
    ),
    ("GET", "/api/v5/public/instruments"): Rules({**_BY_TYPE, "instId": swaps()}, ("instType",)),
    ("GET", "/api/v5/public/underlying"): Rules({"instType": one_of("SWAP", "FUTURES", "OPTION")}, ("instType",)),
    ("GET", "/api/v5/public/position-tiers"): Rules(
        {
            "instType": instrument_type,
            "tdMode": one_of("cross", "isolated"),
            "instFamily": up_to(5),
            "uly": up_to(5),
            "instId": up_to(5),
            "tier": digits,
            "ccy": currency,
        },
        ("instType", "tdMode"),
    ),
    ("GET", "/api/v5/market/candles"): _CANDLES,
    ("GET", "/api/v5/market/history-candles"): _CANDLES,
    ("GET", "/api/v5/market/mark-price-candles"): _CANDLES,
    ("GET", "/api/v5/market/history-mark-price-candles"): _CANDLES,
    ("GET", "/api/v5/market/index-candles"): _CANDLES,
    ("GET", "/api/v5/market/history-index-candles"): _CANDLES,
    ("GET", "/api/v5/market/trades"): Rules({"instId": swaps(), "limit": page}, ("instId",)),
    ("GET", "/api/v5/market/history-trades"): Rules(
        {"instId": swaps(), "type": one_of("1", "2"), **_PAGED}, ("instId",)
    ),
    ("GET", "/api/v5/market/ticker"): Rules({"instId": swaps()}, ("instId",)),
    ("GET", "/api/v5/market/tickers"): Rules(_BY_TYPE, ("instType",)),
    ("GET", "/api/v5/market/index-tickers"): Rules(
        {"instId": family, "quoteCcy": one_of("USD", "USDT", "BTC", "USDC")}
    ),
    ("GET", "/api/v5/market/books"): _BOOK,
    ("GET", "/api/v5/market/books-full"): _BOOK,
    ("GET", "/api/v5/public/mark-price"): Rules({**_BY_TYPE, "instId": swaps()}),
    ("GET", "/api/v5/public/price-limit"): Rules({"instId": swaps()}, ("instId",)),
    ("GET", "/api/v5/public/funding-rate"): Rules({"instId": matching(r"[A-Z0-9-]+")}, ("instId",)),
    ("GET", "/api/v5/public/funding-rate-history"): Rules({"instId": swaps(), **_PAGED}, ("instId",)),
    ("GET", "/api/v5/public/premium-history"): Rules({"instId": swaps(), **_PAGED}, ("instId",)),
    ("GET", "/api/v5/public/open-interest"): Rules({**_BY_TYPE, "instId": swaps()}, ("instType",)),
    ("GET", "/api/v5/public/liquidation-orders"): Rules(
        {**_BY_TYPE, "instId": swaps(), "state": one_of("filled"), **_PAGED}, ("instType",)
    ),
    ("GET", "/api/v5/public/convert-contract-coin"): Rules(
        {
            "type": one_of("1", "2"),
            "instId": swaps(),
            "sz": positive,
            "px": positive,
            "unit": one_of("coin", "usds"),
            "opType": one_of("open", "close"),
        },
        ("instId", "sz"),
    ),
    ("GET", "/api/v5/rubik/stat/contracts/open-interest-history"): _OF_SWAP,
    ("GET", "/api/v5/rubik/stat/taker-volume-contract"): Rules(
        {"instId": swaps(), "unit": one_of("0", "1", "2"), **_STATISTIC}, ("instId",)
    ),
    ("GET", "/api/v5/rubik/stat/taker-volume"): Rules(
        {"ccy": currency, "instType": one_of("SPOT", "CONTRACTS"), **_STATISTIC}, ("ccy", "instType")
    ),
    ("GET", "/api/v5/rubik/stat/contracts/open-interest-volume"): _OF_CURRENCY,
    ("GET", "/api/v5/rubik/stat/contracts/long-short-account-ratio"): _OF_CURRENCY,
    ("GET", "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract"): _OF_SWAP,
    ("GET", "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract-top-trader"): _OF_SWAP,
    ("GET", "/api/v5/rubik/stat/contracts/long-short-position-ratio-contract-top-trader"): _OF_SWAP,
}
"""Rules by (METHOD, path). Periods are checked where bars are, which know which of them can be served."""
