"""Answers of the API as the page asks them, made up from a seed: enough of everything to fill every panel.

Only the shapes matter; the figures are no market's.
"""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from itertools import combinations

ASSETS = ("BTC", "ETH", "SOL", "XRP", "AVAX", "LINK", "ADA", "DOGE", "LTC", "DOT")
PAIRS = tuple("__".join(pair) for pair in combinations(ASSETS, 2))
PRICES = dict(zip(ASSETS, (97_412.3, 3_388.1, 236.4, 1.4387, 41.2, 17.61, 1.0421, 0.39871, 98.7, 8.742), strict=True))
REASONS = (
    "|z| not above 1.0",
    "probability not above 0.55",
    "funding of LTC -0.0004 below −0.0003 for a short",
    "|correlation| of ADA with held XRP 0.91 above 0.8",
    "no whole lots within 5% of the hedge ratio",
    "z of XRP__DOT unknown",
)


def iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def hours_before(now: datetime, hours: float) -> str:
    return iso(now - timedelta(hours=hours))


def scores(seed: int) -> list[dict]:
    dice = random.Random(seed)
    rows = []
    for number, pair in enumerate(PAIRS):
        a, b = pair.split("__")
        z = dice.gauss(0, 1.6)
        probability = 1 / (1 + math.exp(-dice.gauss(0, 0.35)))
        rejected = None if number == 31 else REASONS[dice.randrange(len(REASONS) if number % 9 == 0 else 3)]
        if number == 13:
            rejected = REASONS[-1]
        rows.append(
            {
                "pair": pair,
                "asset_a": a,
                "asset_b": b,
                "z": None if rejected and rejected.endswith("unknown") else round(z, 4),
                "probability": None if rejected and rejected.endswith("unknown") else round(probability, 4),
                "edge": round(probability - 0.55, 4),
                "score": None if rejected and rejected.endswith("unknown") else round(abs(z) * probability, 4),
                "direction": "short" if z > 0 else "long",
                "hedge_ratio": round(dice.gauss(1, 0.1), 3),
                "rejected": rejected,
                "outcome": rejected or "a candidate, but the decision was to hold: position held",
            }
        )
    return rows


def decisions(now: datetime) -> list[dict]:
    rows = []
    for hour in range(60):
        at = now.replace(minute=0, second=2, microsecond=137_000) - timedelta(hours=hour)
        entered = ["XRP__AVAX"] if hour in (7, 31) else []
        reason = "opened XRP__AVAX" if entered else "no candidate" if hour % 3 else "cooling down, 2 of 6 bars"
        rows.append(
            {
                "decision_id": f"d-{at:%Y%m%d%H}",
                "decision_time": iso(at),
                "event_timestamp": iso(at.replace(second=0, microsecond=0)),
                "action": "enter" if entered else "hold",
                "reason": reason,
                "model_version": "14",
                "pairs": len(PAIRS),
                "entered": entered,
                "best": {"pair": "XRP__AVAX", "score": 1.413},
            }
        )
    return rows


def leg(asset: str, side: str, contracts: str, coins: str, entry: float, stop: tuple[float, str], **changes) -> dict:
    mark = PRICES[asset]
    sign = 1 if side == "buy" else -1
    level, state = stop
    confirmed = changes.pop("confirmed_at", None)
    return {
        "asset": asset,
        "instrument": f"{asset}-USDT-SWAP",
        "side": side,
        "contracts": contracts,
        "coins": coins,
        "entry_price": f"{entry}",
        "mark_price": f"{mark}",
        "marked_at": confirmed,
        "result_usdt": round(sign * (mark - entry) * float(coins), 4),
        "margin_usdt": None,
        "margin_ratio": None,
        "liquidation_price": None,
        "stop": {"price": f"{level}", "confirmed_at": confirmed, "state": state},
        "target": {"price": f"{entry * (1 + sign * 0.03):.4f}", "confirmed_at": confirmed, "state": state},
    } | changes


def pair_position(now: datetime, stop_state: str = "confirmed") -> dict:
    confirmed = None if stop_state == "missing" else iso(now - timedelta(seconds=21))
    return {
        "position_id": "p7f3a2c91",
        "pair": "XRP__AVAX",
        "direction": "short",
        "kind": "pair",
        "margin_mode": "cross",
        "legs": [
            leg("XRP", "sell", "10", "1000", 1.4512, (1.5021, "confirmed"), confirmed_at=confirmed),
            leg("AVAX", "buy", "34", "34", 40.93, (39.51, stop_state), confirmed_at=confirmed),
        ],
        "hedge_ratio": 0.98,
        "opened_at": hours_before(now, 7.02),
        "hours_held": 7.02,
        "z_entry": 2.31,
        "z_now": 1.18,
        "result": {"price_usdt": 21.68, "fees_usdt": -1.71, "funding_usdt": 0.214, "total_usdt": 20.184},
        "stop_level": 1.5021,
        "now_level": 1.4387,
        "target_level": 1.4077,
        "horizon_at": iso(now + timedelta(hours=16.98)),
        "probability_entry": 0.584,
        "decision_id": f"d-{now - timedelta(hours=7):%Y%m%d%H}",
        "entry_order_ids": ["pairitye1f00dcafe0000001"],
    }


def losing_position(now: datetime) -> dict:
    confirmed = iso(now - timedelta(seconds=21))
    return {
        "position_id": "p1b90d7e4",
        "pair": "SOL__LINK",
        "direction": "long",
        "kind": "pair",
        "margin_mode": "isolated",
        "legs": [
            leg("SOL", "buy", "6", "6", 239.0, (231.4, "confirmed"), confirmed_at=confirmed)
            | {"margin_usdt": "143.4", "margin_ratio": 19.21, "liquidation_price": "216.2"},
            leg("LINK", "sell", "80", "80", 17.44, (18.02, "confirmed"), confirmed_at=confirmed)
            | {"margin_usdt": "139.52", "margin_ratio": 17.65, "liquidation_price": "19.06"},
        ],
        "hedge_ratio": 1.03,
        "opened_at": hours_before(now, 2.4),
        "hours_held": 2.4,
        "z_entry": -2.08,
        "z_now": -2.41,
        "result": {"price_usdt": -29.2, "fees_usdt": -1.42, "funding_usdt": -0.11, "total_usdt": -30.73},
        "stop_level": 231.4,
        "now_level": 236.4,
        "target_level": 246.17,
        "horizon_at": iso(now + timedelta(hours=21.6)),
        "probability_entry": 0.561,
        "decision_id": f"d-{now - timedelta(hours=2):%Y%m%d%H}",
        "entry_order_ids": ["pairitye1f00dcafe0000002"],
    }


def book_position(now: datetime) -> dict:
    confirmed = iso(now - timedelta(seconds=21))
    legs = []
    for number, asset in enumerate(ASSETS):
        side = "buy" if number % 2 else "sell"
        target = (1 if number % 2 else -1) * (0.12 - 0.01 * (number // 2))
        weight = target + (0.013 if number == 3 else -0.004 if number == 6 else 0.0011)
        row = leg(
            asset, side, f"{number + 3}", f"{1000 / PRICES[asset]:.4g}", PRICES[asset] * 0.991,
            (PRICES[asset] * (1.1 if side == "sell" else 0.9), "confirmed"), confirmed_at=confirmed,
        )  # fmt: skip
        legs.append(row | {"weight": weight, "target_weight": target, "drift": weight - target})
    return {
        "position_id": "book-20260301",
        "pair": "BTC__ETH",
        "direction": "long",
        "kind": "book",
        "margin_mode": "cross",
        "legs": legs,
        "hedge_ratio": None,
        "opened_at": hours_before(now, 96),
        "hours_held": 96.0,
        "z_entry": None,
        "z_now": None,
        "result": {"price_usdt": 41.9, "fees_usdt": -6.2, "funding_usdt": 3.9, "total_usdt": 39.6},
        "stop_level": None,
        "now_level": None,
        "target_level": None,
        "horizon_at": iso(now + timedelta(hours=72)),
        "probability_entry": None,
        "decision_id": f"d-{now:%Y%m%d%H}",
        "entry_order_ids": [],
    }


def features(now: datetime, pair: str) -> dict:
    names = ("zscore_720", "half_life_720", "hedge_ratio_720", "funding_spread", "oi_change_24", "basis_spread",
             "volume_ratio_24", "correlation_168", "btc_beta_spread", "range_position_168")  # fmt: skip
    dice = random.Random(pair)
    bar = now.replace(minute=0, second=0, microsecond=0)
    return {
        "decision_id": f"d-{now:%Y%m%d%H}",
        "pair": pair,
        "features": [
            {
                "name": name,
                "value": None if number == 4 else round(dice.gauss(0, 1.3), 6),
                "event_timestamp": iso(bar),
                "created_timestamp": iso(bar + timedelta(seconds=1.4)),
                "service": "spread_v3",
                "entity": pair,
            }
            for number, name in enumerate(names)
        ],
        "lineage": {
            "order_ids": ["1873305412377600001", "1873305412377600002"],
            "run_id": "4be1e6a0b1c94bd4b1f2c4d5f1f0a9be",
            "model_name": "pair_forest",
            "model_version": "14",
            "feature_service": "spread_v3",
            "sha256": "9f2c1d" + "0" * 58,
            "training_set": "ts-2026-02-22",
            "snapshot_id": "snap-61c2f09a77",
            "code_revision": "4eef454",
        },
    }
