"""Parameters of the endpoints that answer one element per order: a refusal is the element's `sCode`.

What depends on the account or the instrument (lots, prices, margin, modes) is checked where orders are taken in.
"""

from __future__ import annotations

from collections.abc import Mapping

from paper_exchange.http.rules.checks import (
    Check,
    Rules,
    client_id,
    currency,
    decimal,
    digits,
    flag,
    not_served,
    one_of,
    rows_of,
    swaps,
    tag,
)
from paper_exchange.http.rules.private import ALGO_TYPES

_REQUEST_ID = client_id
_TRIGGER_TYPE = one_of("last", "index", "mark")
_LEGS: Mapping[str, Check] = {
    f"{leg}{name}": check
    for leg in ("tp", "sl")
    for name, check in (("TriggerPx", decimal), ("TriggerPxType", _TRIGGER_TYPE), ("OrdPx", decimal))
}
_ATTACHED = Rules(
    {
        "attachAlgoId": digits,
        "attachAlgoClOrdId": client_id,
        **_LEGS,
        "tpOrdKind": one_of("condition", "limit"),
        "sz": decimal,
        "amendPxOnTriggerType": one_of("0"),
        **dict.fromkeys(
            ("tpTriggerRatio", "slTriggerRatio", "callbackRatio", "callbackSpread", "activePx"), not_served
        ),
        **{f"new{name[0].upper()}{name[1:]}": check for name, check in _LEGS.items()},
        "newSz": decimal,
        "newTpOrdKind": one_of("condition", "limit"),
        **dict.fromkeys(("newTpTriggerRatio", "newSlTriggerRatio"), not_served),
    }
)
_SPOT_ONLY: Mapping[str, Check] = {
    "ccy": currency,
    "tgtCcy": one_of("base_ccy", "quote_ccy"),
    "tradeQuoteCcy": currency,
}
_COMMON: Mapping[str, Check] = {
    "instId": swaps(),
    "tdMode": one_of("cross", "isolated", "cash", "spot_isolated"),
    "side": one_of("buy", "sell"),
    "posSide": one_of("net", "long", "short"),
    "clOrdId": client_id,
    "tag": tag,
    "sz": decimal,
    "reduceOnly": flag,
    "attachAlgoOrds": rows_of(_ATTACHED),
    **_SPOT_ONLY,
}
_PLACED = Rules(
    {
        **_COMMON,
        "px": decimal,
        "pxUsd": decimal,
        "pxVol": decimal,
        "banAmend": flag,
        "pxAmendType": one_of("0", "1"),
        "slippagePct": decimal,
        "stpMode": one_of("cancel_maker", "cancel_taker", "cancel_both"),
        "stpId": digits,
    },
    ("instId", "tdMode", "side", "ordType"),
)
_NAMED: Mapping[str, Check] = {"instId": swaps(), "ordId": digits, "clOrdId": client_id}
_AMENDED = Rules(
    {
        **_NAMED,
        "cxlOnFail": flag,
        "reqId": _REQUEST_ID,
        "newSz": decimal,
        "newPx": decimal,
        "newPxUsd": decimal,
        "newPxVol": decimal,
        "pxAmendType": one_of("0", "1"),
        "attachAlgoOrds": rows_of(_ATTACHED),
        **{f"new{name[0].upper()}{name[1:]}": check for name, check in _LEGS.items()},
        "newTpOrdKind": one_of("condition", "limit"),
        **dict.fromkeys(("newTpTriggerRatio", "newSlTriggerRatio"), not_served),
    },
    ("instId",),
)
_CANCELLED = Rules(_NAMED, ("instId",))
_ALGO_NAMED: Mapping[str, Check] = {"instId": swaps(), "algoId": digits, "algoClOrdId": client_id}

ELEMENT_RULES: Mapping[tuple[str, str], Rules] = {
    ("POST", "/api/v5/trade/order"): _PLACED,
    ("POST", "/api/v5/trade/batch-orders"): _PLACED,
    ("POST", "/api/v5/trade/cancel-order"): _CANCELLED,
    ("POST", "/api/v5/trade/cancel-batch-orders"): _CANCELLED,
    ("POST", "/api/v5/trade/amend-order"): _AMENDED,
    ("POST", "/api/v5/trade/amend-batch-orders"): _AMENDED,
    ("POST", "/api/v5/trade/order-algo"): Rules(
        {
            **_COMMON,
            **_LEGS,
            "ordType": one_of(*ALGO_TYPES),
            "algoClOrdId": client_id,
            "closeFraction": decimal,
            "cxlOnClosePos": flag,
            "tpOrdKind": one_of("condition", "limit"),
            "triggerPx": decimal,
            "triggerPxType": _TRIGGER_TYPE,
            "orderPx": decimal,
            "advanceOrdType": not_served,
            "callbackRatio": decimal,
            "callbackSpread": decimal,
            "activePx": decimal,
        },
        ("instId", "tdMode", "side", "ordType"),
    ),
    ("POST", "/api/v5/trade/cancel-algos"): Rules(_ALGO_NAMED, ("instId",)),
    ("POST", "/api/v5/trade/amend-algos"): Rules(
        {
            **_ALGO_NAMED,
            "cxlOnFail": flag,
            "reqId": _REQUEST_ID,
            "newSz": decimal,
            "newTriggerPx": decimal,
            "newTriggerPxType": _TRIGGER_TYPE,
            "newOrdPx": decimal,
            **{f"new{name[0].upper()}{name[1:]}": check for name, check in _LEGS.items()},
        },
        ("instId",),
    ),
}
"""Rules by (METHOD, path)."""
