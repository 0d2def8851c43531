"""Parameters of the signed endpoints that answer as a whole (docs/okx-protocol.md, What a request must be)."""

from __future__ import annotations

from collections.abc import Mapping

from paper_exchange.http.rules.checks import (
    Check,
    Rules,
    client_id,
    currencies,
    currency,
    digits,
    family,
    flag,
    instrument_type,
    margin_mode,
    matching,
    one_of,
    page,
    position_side,
    positive,
    some_of,
    swaps,
    tag,
    up_to,
)

ORDER_TYPES = ("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc", "mmp", "mmp_and_post_only", "elp")
ALGO_TYPES = ("conditional", "oco", "trigger", "move_order_stop", "chase", "twap", "smart_iceberg", "iceberg")
_CATEGORIES = ("twap", "adl", "full_liquidation", "partial_liquidation", "delivery", "ddh")
_PAGED: Mapping[str, Check] = {"after": digits, "before": digits, "limit": page}
_SPAN: Mapping[str, Check] = {"begin": digits, "end": digits}
_FAMILY: Mapping[str, Check] = {"instFamily": family, "uly": family}
_BILL_TYPE = matching(r"[0-9]{1,3}")
_BILLS = Rules(
    {
        "instType": instrument_type,
        "instId": swaps(gone=True),
        "ccy": currency,
        "mgnMode": margin_mode,
        "ctType": one_of("linear", "inverse"),
        "type": _BILL_TYPE,
        "subType": _BILL_TYPE,
        **_PAGED,
        **_SPAN,
    }
)
_FILLS: Mapping[str, Check] = {
    "instType": instrument_type,
    **_FAMILY,
    "instId": swaps(gone=True),
    "ordId": digits,
    "subType": _BILL_TYPE,
    **_PAGED,
    **_SPAN,
}
_PAST_ORDERS = Rules(
    {
        "instType": instrument_type,
        **_FAMILY,
        "instId": swaps(gone=True),
        "ordType": some_of(*ORDER_TYPES),
        "state": one_of("canceled", "filled", "mmp_canceled"),
        "category": one_of(*_CATEGORIES),
        **_PAGED,
        **_SPAN,
    },
    ("instType",),
)
_ALGOS: Mapping[str, Check] = {
    # One type at a time, but for the two that protect.
    "ordType": one_of(*ALGO_TYPES, "conditional,oco", "oco,conditional"),
    "algoId": digits,
    "algoClOrdId": client_id,
    "instType": instrument_type,
    "instId": swaps(gone=True),
    **_PAGED,
}

PRIVATE_RULES: Mapping[tuple[str, str], Rules] = {
    ("GET", "/api/v5/account/instruments"): Rules(
        {"instType": instrument_type, **_FAMILY, "instId": swaps()}, ("instType",)
    ),
    ("GET", "/api/v5/account/balance"): Rules({"ccy": currencies}),
    ("GET", "/api/v5/account/positions"): Rules({"instType": instrument_type, "instId": swaps(10), "posId": up_to(20)}),
    ("GET", "/api/v5/account/positions-history"): Rules(
        {
            "instType": instrument_type,
            "instId": swaps(gone=True),
            "mgnMode": margin_mode,
            "type": one_of("1", "2", "3", "4", "5", "6"),
            "posId": digits,
            **_PAGED,
        }
    ),
    ("GET", "/api/v5/account/account-position-risk"): Rules({"instType": instrument_type}),
    ("POST", "/api/v5/account/set-position-mode"): Rules(
        {"posMode": one_of("net_mode", "long_short_mode")}, ("posMode",)
    ),
    ("POST", "/api/v5/account/set-leverage"): Rules(
        {"lever": positive, "mgnMode": margin_mode, "instId": swaps(), "ccy": currency, "posSide": position_side},
        ("lever", "mgnMode"),
    ),
    ("GET", "/api/v5/account/leverage-info"): Rules(
        {"instId": swaps(20), "ccy": currencies, "mgnMode": margin_mode}, ("instId", "mgnMode")
    ),
    ("GET", "/api/v5/account/max-size"): Rules(
        {
            "instId": swaps(5),
            "tdMode": one_of("cross", "isolated", "cash", "spot_isolated"),
            "ccy": currency,
            "px": positive,
            "leverage": positive,
        },
        ("instId", "tdMode"),
    ),
    ("GET", "/api/v5/account/max-avail-size"): Rules(
        {
            "instId": swaps(5),
            "tdMode": one_of("cross", "isolated", "cash", "spot_isolated"),
            "ccy": currency,
            "reduceOnly": flag,
            "px": positive,
        },
        ("instId", "tdMode"),
    ),
    ("POST", "/api/v5/account/position/margin-balance"): Rules(
        {
            "instId": swaps(),
            "posSide": position_side,
            "type": one_of("add", "reduce"),
            "amt": positive,
            "ccy": currency,
        },
        ("instId", "posSide", "type", "amt"),
    ),
    ("GET", "/api/v5/account/bills"): _BILLS,
    ("GET", "/api/v5/account/bills-archive"): _BILLS,
    ("GET", "/api/v5/account/trade-fee"): Rules(
        {"instType": instrument_type, "instId": matching(r"[A-Z0-9-]+"), **_FAMILY}, ("instType",)
    ),
    ("GET", "/api/v5/asset/balances"): Rules({"ccy": currencies}),
    ("GET", "/api/v5/asset/currencies"): Rules({"ccy": currencies}),
    ("GET", "/api/v5/trade/order"): Rules({"instId": swaps(), "ordId": digits, "clOrdId": client_id}, ("instId",)),
    ("GET", "/api/v5/trade/orders-pending"): Rules(
        {
            "instType": instrument_type,
            **_FAMILY,
            "instId": swaps(),
            "ordType": some_of(*ORDER_TYPES),
            "state": one_of("live", "partially_filled"),
            **_PAGED,
        }
    ),
    ("GET", "/api/v5/trade/orders-history"): _PAST_ORDERS,
    ("GET", "/api/v5/trade/orders-history-archive"): _PAST_ORDERS,
    ("GET", "/api/v5/trade/fills"): Rules(_FILLS),
    ("GET", "/api/v5/trade/fills-history"): Rules(_FILLS, ("instType",)),
    ("POST", "/api/v5/trade/close-position"): Rules(
        {
            "instId": swaps(),
            "mgnMode": margin_mode,
            "posSide": position_side,
            "ccy": currency,
            "autoCxl": flag,
            "clOrdId": client_id,
            "tag": tag,
        },
        ("instId", "mgnMode"),
    ),
    ("POST", "/api/v5/trade/cancel-all-after"): Rules({"timeOut": digits, "tag": tag}, ("timeOut",)),
    ("GET", "/api/v5/trade/order-algo"): Rules({"algoId": digits, "algoClOrdId": client_id}),
    ("GET", "/api/v5/trade/orders-algo-pending"): Rules(_ALGOS, ("ordType",)),
    ("GET", "/api/v5/trade/orders-algo-history"): Rules(
        {**_ALGOS, "state": one_of("effective", "canceled", "order_failed")}, ("ordType",)
    ),
}
"""Rules by (METHOD, path)."""
