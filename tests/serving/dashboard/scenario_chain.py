"""The chain behind one order as the API would answer it."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.serving.dashboard import scenario_data as data

KNOWN, LOST, STOP = "pairitye1f00dcafe0000001", "pairitye1f00dcafe0000002", "pairitys1f00dcafe0000001"
BOOK = "pairityi1f00dcafe0000001"
"""An order whose score comes out the same, one whose raw data were changed, one without a decision, one of a book."""


def chain(now: datetime, order: str) -> dict | None:
    bar = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=7)
    decided = bar + timedelta(seconds=32)
    found = {
        "order": _order(order, decided),
        "entry_order": None,
        "decision": {
            "decision_id": f"d-{bar:%Y%m%d%H}",
            "event_timestamp": data.iso(bar),
            "decision_time": data.iso(decided),
            "action": "open",
            "reason": "short XRP__AVAX: z +2.31, p 0.584, score 1.349",
            "feature_service": "pair_forest_v1",
            "pairs": [
                {"pair": row["pair"], "z": row["z"], "probability": row["probability"], "score": row["score"]}
                | {"why": row["rejected"] or "opened"}
                for row in data.scores(7)
            ],
            "names": [],
        },
        "features": data.features(now, "XRP__AVAX")["features"],
        "model": {
            "name": "pair_forest",
            "version": "7",
            "family": "pair_forest",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "run_id": "5f1d3c4b8a7e4f2d9c6b1a0e3d2f4c5b",
            "train_end": "2026-02-01T00:00:00+00:00",
            "snapshot_id": "c0ffee0ddba11ad5",
            "training": [
                "training rows 41685, 2025-07-09 08:00 to 2025-11-06 08:00 UTC, 1530 purged before the test; digest dd",
                "label touch of 0.005 within 102 hours, rows all, weights overlap; seed 7",
                "trained with code 1a2b3c4d5e6f",
            ],
        },
        "score": {
            "kind": "probability",
            "pair": "XRP__AVAX",
            "recorded": 0.5839999999999999,
            "from_journal": 0.5839999999999999,
            "same_from_journal": True,
            "from_lake": 0.5839999999999999 if order == KNOWN else 0.61,
            "same_from_lake": order == KNOWN,
        },
        "raw": {
            "compared": 39,
            "different": [] if order == KNOWN else ["funding_spread", "basis_spread"],
            "known_from": data.iso(bar + timedelta(seconds=9)),
            "parts": [
                {"dataset": name, "instrument": f"{asset}-USDT-SWAP", "month": f"{bar:%Y-%m}", "content": "ab12" * 16}
                for name in ("candles_1h", "candles_1m", "funding", "open_interest")
                for asset in ("XRP", "AVAX")
            ],
            "others": 14,
            "digest": "cd34" * 16,
        },
        "raw_fault": None,
        "code": {
            "code_revision": "1a2b3c4d5e6f7a8b9c0d",
            "settings_digest": "ef56" * 16,
            "mode": "demo",
            "started_at": data.iso(bar - timedelta(hours=30)),
        },
    }
    if order == STOP:
        empty = dict.fromkeys(("decision", "model", "score", "raw", "code"))
        return found | empty | {"features": [], "entry_order": KNOWN}
    if order == BOOK:
        return found | _of_book(found)
    return found if order in (KNOWN, LOST) else None


def _of_book(found: dict) -> dict:
    """What differs where a book decided: names in place of pairs, a weight in place of a score, and no model."""
    name = {
        "name": "XRP",
        "weight": 0.02,
        "target": 0.125,
        "held": "1",
        "contracts": "7",
        "cause": "beyond the band",
        "why": "score 0.25 over volatility 0.004105; initial margin × 0.8 (gross 1.2, at most 0.99)",
    }
    weight = {"kind": "weight", "pair": "XRP", "recorded": 0.1, "from_journal": 0.1, "from_lake": 0.1}
    features = [
        feature | {"service": "book_features_v1", "entity": "XRP", "name": f"return_{days}d"}
        for days, feature in zip((1, 2, 3), found["features"], strict=False)
    ]
    return {
        "decision": found["decision"]
        | {"pairs": [], "names": [name], "feature_service": "book_features_v1", "action": "rebalance"},
        "features": features,
        "model": None,
        "score": weight | {"same_from_journal": True, "same_from_lake": True},
        "raw": found["raw"] | {"different": []},
    }


def _order(order: str, decided: datetime) -> dict:
    return {
        "client_order_id": order,
        "order_id": "700000000000000007",
        "position_id": "XRP__AVAX@20260301T0700Z",
        "purpose": "protect" if order == STOP else "entry",
        "side": "sell",
        "instrument": "XRP-USDT-SWAP",
        "contracts": "10",
        "filled_contracts": "10",
        "average_price": "1.4602",
        "state": "filled",
        "created_at": data.iso(decided),
        "steps": [
            {"at": data.iso(decided + timedelta(milliseconds=90 * number)), "state": state, "answer": answer}
            for number, (state, answer) in enumerate(
                [("intended", ""), ("sent", "sending 1"), ("acknowledged", "accepted"), ("filled", "venue: filled")]
            )
        ],
    }
