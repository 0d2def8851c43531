"""Made-up history for the page: equity, series of pairs, candles, orders, closed trades and events."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from itertools import pairwise

from tests.serving.dashboard.scenario_data import PAIRS, PRICES, hours_before, iso

RANGE_HOURS = {"24h": 24, "7d": 168, "30d": 720, "all": 2160}


def equity(now: datetime, span: str, traded: bool = True) -> dict:
    hours = RANGE_HOURS[span]
    count = min(hours * 12, 1_440)
    dice = random.Random(7)
    value, peak, price = 9_850.0, 9_850.0, 91_000.0
    points, btc = [], []
    for number in range(count + 1):
        at = hours_before(now, hours * (1 - number / count))
        value += dice.gauss(0.16, 4.1) if traded else 0.0
        price *= math.exp(dice.gauss(0.00005, 0.0016))
        peak = max(peak, value)
        points.append([at, round(value, 4), round(1 - value / peak, 6)])
        btc.append([at, round(price, 1)])
    marks = (
        (0.15, "entry", "opened ADA__LTC"), (0.31, "exit", "closed: target"), (0.44, "restart", "started again"),
        (0.52, "promotion", "version 14 became champion"), (0.61, "halt", "halted by a person"),
        (0.63, "resume", "resumed by a person"), (0.8, "entry", "opened XRP__AVAX"),
    )  # fmt: skip
    markers = [
        {"at": hours_before(now, hours * (1 - part)), "kind": kind, "text": text, "ref": None}
        for part, kind, text in marks
        if traded
    ]
    return {"points": points, "btc": btc, "markers": markers}


def pair_series(now: datetime, hours: int, opened: bool) -> dict:
    dice = random.Random(11)
    z, points = 0.4, []
    for number in range(hours + 1):
        z = 0.93 * z + dice.gauss(0, 0.5)
        points.append([hours_before(now, hours - number), round(0.0349 * math.exp(0.011 * z), 8), round(z, 4)])
    trades = [
        {"position_id": "p1", "at": hours_before(now, 120), "kind": "entry", "z": 2.2, "reason": "|z| above 2"},
        {"position_id": "p1", "at": hours_before(now, 101), "kind": "exit", "z": 0.4, "reason": "target"},
        {"position_id": "p7f3a2c91", "at": hours_before(now, 7), "kind": "entry", "z": 2.31, "reason": "|z| above 2"},
    ]
    bands = {"entry": 2.0, "exit": 0.5, "stop": None}
    levels = {"position_id": "p7f3a2c91", "asset": "XRP", "stop": 1.5021, "target": 1.4077}
    return {
        "pair": "XRP__AVAX",
        "points": points,
        "bands": bands,
        "trades": trades if opened else trades[:2],
        "open": levels if opened else None,
    }


def candles(now: datetime, asset: str, hours: int) -> dict:
    dice = random.Random(asset)
    closes = [PRICES[asset]]
    for _ in range(hours + 1):
        closes.append(closes[-1] * math.exp(dice.gauss(0, 0.006)))
    rows = []
    for number, (close, before) in enumerate(pairwise(closes)):
        spread = abs(dice.gauss(0, 0.003))
        low, high = min(before, close) * (1 - spread), max(before, close) * (1 + spread)
        rows.append([hours_before(now, number), *(float(f"{v:.6g}") for v in (before, high, low, close))])
    return {"asset": asset, "candles": rows[::-1]}


UNKNOWN = -1
"""The number of the order without an answer."""


def order(now: datetime, number: int) -> dict:
    asset = ("XRP", "AVAX", "SOL", "LINK")[number % 4]
    created = now - timedelta(hours=1.9 * max(number, 0) + 0.2)
    price = PRICES[asset] * (1 - 0.002 * (number % 3))
    state = "unknown" if number == UNKNOWN else ("filled", "filled", "filled", "cancelled", "rejected")[number % 5]
    filled = 10 if state == "filled" else 6 if state == "cancelled" else 0
    steps = [("intended", 0.0, ""), ("sent", 0.04, ""), ("acknowledged", 0.13, "0"), (state, 0.31, "")]
    if state == "rejected":
        steps = [("intended", 0.0, ""), ("sent", 0.03, ""), ("rejected", 0.11, "51008 insufficient margin")]
    if state == "unknown":
        steps = [("intended", 0.0, ""), ("sent", 0.04, ""), ("unknown", 10.04, "no answer within 10 s")]
    return {
        "client_order_id": f"pr{number + 1:04d}d20260301x{asset.lower()}e1",
        "order_id": None if state in ("rejected", "unknown") else f"18733054123776{number:05d}",
        "position_id": "p7f3a2c91" if number < 2 else f"p{number:08x}",
        "created_at": iso(created),
        "decision_id": f"d-{created:%Y%m%d%H}",
        "purpose": "entry" if number % 4 < 2 else "exit",
        "leg": abs(number) % 2,
        "attempt": 1,
        "instrument": f"{asset}-USDT-SWAP",
        "side": "sell" if number % 2 else "buy",
        "contracts": "10",
        "order_type": "market" if number % 3 else "limit",
        "reduce_only": number % 4 >= 2,
        "stop_price": f"{price * 1.035:.5g}",
        "target_price": f"{price * 0.96:.5g}",
        "state": state,
        "filled_contracts": f"{filled}",
        "average_price": f"{price:.6g}" if filled else None,
        "expected_price": f"{price * 1.0002:.6g}",
        "slippage_bps": round(random.Random(number).gauss(0.9, 1.4), 2) if filled else None,
        "events": [{"at": iso(created + timedelta(seconds=s)), "state": n, "answer": a} for n, s, a in steps],
        "fills": [
            {"trade_id": f"{8_000_000 + number * 2 + k}", "at": iso(created + timedelta(seconds=0.3)),
             "contracts": f"{filled // 2}", "price": f"{price:.6g}", "fee_usdt": "-0.4310"}
            for k in range(2 if filled else 0)
        ],
    }  # fmt: skip


def trades(now: datetime) -> list[dict]:
    dice = random.Random(5)
    rows = []
    for number in range(64):
        price = dice.gauss(3.5, 22)
        closed = now - timedelta(hours=11 + 23 * number + dice.random() * 9)
        held = 2 + dice.random() * 30
        pair = PAIRS[dice.randrange(8)]
        rows.append(
            {
                "position_id": f"c{number:07x}",
                "pair": pair,
                "direction": dice.choice(("short", "long")),
                "opened_at": iso(closed - timedelta(hours=held)),
                "closed_at": iso(closed),
                "exit_reason": dice.choice(("target", "stop", "horizon", "z reverted", "flattened by a person")),
                "result_usdt": f"{price - 1.6:.4f}",
                "fees_usdt": "-1.7",
                "funding_usdt": "0.1",
                "price_usdt": f"{price:.4f}",
                "exit_price": None,
                "hours_held": round(held, 2),
                "legs": [
                    {"asset": name, "side": "buy", "contracts": "3", "entry_price": PRICES[name]}
                    for name in pair.split("__")
                ],
            }
        )
    return rows


def calendar(rows: list[dict], by: str) -> list[dict]:
    groups: dict[str, list[float]] = {}
    for row in rows:
        day = datetime.fromisoformat(row["closed_at"])
        key = {"day": f"{day:%Y-%m-%d}", "week": f"{day:%G-W%V}", "month": f"{day:%Y-%m}"}[by]
        groups.setdefault(key, []).append(float(row["result_usdt"]))
    return [
        {
            "period": key,
            "trades": len(found),
            "result_usdt": f"{sum(found):.4f}",
            "won": sum(value > 0 for value in found),
            "lost": sum(value <= 0 for value in found),
        }
        for key, found in sorted(groups.items(), reverse=True)
    ]


def events(now: datetime) -> list[dict]:
    kinds = (
        ("info", "position", "opened XRP__AVAX: short, z 2.31"),
        ("warning", "data", "XRP has no bar of 14:00: its pairs are not traded"),
        ("critical", "reconciliation", "the venue has 12 contracts of SOL-USDT-SWAP, the journal 10"),
        ("info", "state", "trading again: the venue answers"),
        ("warning", "state", "guarding: the venue did not answer 3 times"),
        ("info", "promotion", "version 14 became champion"),
    )
    rows = []
    for number in range(48):
        severity, kind, text = kinds[number % len(kinds)]
        done = severity == "info" or number > 9
        rows.append(
            {
                "event_id": 480 - number,
                "at": hours_before(now, number * 1.7 + 0.1),
                "kind": kind,
                "severity": severity,
                "text": text,
                "ref": "p7f3a2c91" if kind == "position" else None,
                "acknowledged_at": hours_before(now, number * 1.7) if done and severity != "info" else None,
                "acknowledged_by": "control token" if done and severity != "info" else None,
            }
        )
    return rows
