"""Made-up standing of the process for the page: status in every state, risk, model and trust."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta

from tests.serving.dashboard.scenario_data import iso

MODEL = {
    "name": "pair_forest",
    "version": "14",
    "run_id": "4be1e6a0b1c94bd4b1f2c4d5f1f0a9be",
    "sha256": "9f2c1d0b" + "a" * 56,
    "snapshot_id": "snap-61c2f09a77",
    "train_end": "2026-02-22T00:00:00+00:00",
    "gate": "passed",
    "gate_reason": "5 of 5 checks passed",
}
CHAMPION = {
    "family": "forest",
    "feature_service": "spread_v3",
    "code_revision": "4eef454",
    "promoted_at": "2026-02-22T04:10:00+00:00",
    "promotion_reason": "5 of 5 checks passed",
}
SHADOW = {
    "champion": "14",
    "challenger": "15",
    "decisions": 60,
    "failed": 0,
    "correlation": 0.87,
    "mean_difference": 0.013,
    "other_choice": 8,
    "other_share": 0.1333,
    "last_failure": None,
}
CHALLENGER = {**MODEL, "version": "15", "gate": "failed", "gate_reason": "Sharpe ratio 0.41 below 0.5"}


def waiting(now: datetime) -> dict:
    """The healthy case; the scenarios below change what differs."""
    bar = now.replace(minute=0, second=0, microsecond=0)
    return {
        "mode": "paper",
        "market": "okx-paper (synthetic)",
        "venue": "okx",
        "margin_mode": "cross",
        "version": "0.1.0",
        "started_at": iso(now - timedelta(days=3, hours=4)),
        "now": iso(now),
        "state": f"waiting for the bar that closes at {bar + timedelta(hours=1):%Y-%m-%d %H:%M} UTC",
        "trading": "trading",
        "trading_reason": "",
        "trading_since": iso(now - timedelta(hours=30)),
        "causes": {},
        "blocked": {},
        "decision": {
            "last_at": iso(bar + timedelta(seconds=2)),
            "next_at": iso(bar + timedelta(hours=1, seconds=2)),
            "interval_s": 3600,
            "action": "hold",
            "reason": "no candidate",
            "event_timestamp": iso(bar),
        },
        "data": {
            "event_timestamp": iso(bar),
            "age_s": (now - bar).total_seconds(),
            "fresh": True,
            "stale_after_s": 4_200.0,
            "reason": None,
        },
        "venue_link": {
            "reachable": True,
            "watched_at": iso(now - timedelta(seconds=4)),
            "age_s": 4.0,
            "stream": {"state": "open", "since": iso(now - timedelta(hours=4)), "connects": 2},
            "clock_skew_s": 0.021,
        },
        "account": {
            "equity_usdt": 10_241.8312,
            "available_usdt": 8_904.11,
            "as_of": iso(now - timedelta(seconds=4)),
            "today_usdt": 38.42,
            "today_fraction": 0.003765,
            "open_result_usdt": 20.18,
            "drawdown_fraction": 0.0121,
        },
        "model": copy.deepcopy(MODEL),
        "challenger": copy.deepcopy(CHALLENGER),
        "lease": None,
        "retraining": "due 2026-03-08 00:10 UTC",
        "counts": {"positions": 1, "resting_orders": 4, "unusable": 2, "problems": 0, "unacknowledged": 3},
        "problems": [],
        "can_act": True,
        "synthetic": True,
    }


def risk(now: datetime) -> dict:
    rows = (
        ("daily loss", 0.0, 300.0, "USDT", 0.0, "halt"),
        ("drawdown", 0.0121, 0.15, "fraction", 0.0807, "halt"),
        ("gross exposure", 2_840.0, 20_000.0, "USDT", 0.142, "no entry"),
        ("leverage", 0.28, 2.0, "×", 0.14, "no entry"),
        ("orders per hour", 41, 60, "orders", 0.6833, "no entry"),
        ("concentration", 0.46, 0.5, "fraction", 0.92, "no entry"),
        ("margin ratio", None, 3.0, "ratio", None, "no entry"),
        ("limits.position_usdt", 1_663.67, None, "USDT", None, "no entry"),
    )
    names = ("name", "measured", "allowed", "unit", "used_fraction", "consequence")
    next_at = (now + timedelta(hours=8)).replace(minute=0, second=0, microsecond=0)
    return {
        "limits": [dict(zip(names, row, strict=True)) for row in rows],
        "exposure": {"gross_usdt": 2_840.2, "net_usdt": -37.5, "leverage": 0.277, "margin_ratio": 41.2},
        "funding": [
            {
                "instrument": "XRP-USDT-SWAP",
                "rate": 0.000112,
                "interval_h": 8.0,
                "next_at": iso(next_at),
                "cost_usdt": -0.161,
            },
            {
                "instrument": "AVAX-USDT-SWAP",
                "rate": -0.00003,
                "interval_h": 8.0,
                "next_at": iso(next_at),
                "cost_usdt": -0.042,
            },
        ],
        "fees_usdt": {"today": -3.13, "all": -219.84},
    }


def model() -> dict:
    checks = (("purged Sharpe ratio", "1.21", "0.5", True), ("trades", "214", "100", True),
              ("drawdown", "8.1%", "20%", True), ("beats the rule", "0.37", "0", True))  # fmt: skip
    return {
        "champion": copy.deepcopy(MODEL) | CHAMPION,
        "challenger": copy.deepcopy(CHALLENGER),
        "gate": [dict(zip(("check", "value", "threshold", "passed"), row, strict=True)) for row in checks],
        "drift": {
            "at": "2026-03-01T14:00:02+00:00",
            "share": 0.031,
            "limit": 0.1,
            "worst": [{"feature": "oi_change_24", "share": 0.081}, {"feature": "basis_spread", "share": 0.044}],
            "worst_pairs": [{"pair": "XRP__AVAX", "share": 0.06}],
        },
        "live": {
            "trades": 64,
            "result_usdt": 141.2,
            "expected": {"low": -88.0, "median": 190.0, "high": 455.0},
            "verdict": "inside",
        },
        "shadow": copy.deepcopy(SHADOW),
    }


def trust(now: datetime) -> dict:
    return {
        "parity": {
            "checked": 1_203_840,
            "different": 0,
            "missing": 0,
            "extra": 0,
            "causes": {},
            "decisions": 24,
            "last_bar": iso(now - timedelta(minutes=69)),
            "at": iso(now - timedelta(minutes=9)),
            "blocks": None,
        },
        "quarantine": [
            {"stage": "candles_1m", "key": "XRP 2026-03", "rules": ["no_gap"], "rows": 60, "first": None, "last": None}
        ],
        "quarantine_error": None,
        "stale": [{"asset": "XRP", "reason": "no bar of 14:00"}],
        "reconciliation": {"at": iso(now - timedelta(seconds=42)), "differences": 0},
        "ledger": {"at": iso(now - timedelta(minutes=42)), "differences": 0},
        "clock_skew_s": 0.021,
        "limits": {"clock_skew_s": 1.0, "drift": 0.1},
    }
