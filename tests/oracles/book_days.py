"""Books day by day: loops over plain lists, one name after another. Slow, obvious, and no code of the engine's."""

from __future__ import annotations

import math
import statistics


def rank(values):
    """Return name → rank/(n − 1) − ½; nothing for fewer than six."""
    if len(values) < 6:
        return {}
    ordered = sorted(values, key=lambda name: values[name])
    return {name: ordered.index(name) / (len(values) - 1) - 0.5 for name in values}


def make_weights(scores, deviations):
    """Return weights ∝ score/deviation, half a side, capped at 15%, three times."""
    weights = {name: scores[name] / deviations[name] for name in scores if scores[name] != 0}
    if not any(w > 0 for w in weights.values()) or not any(w < 0 for w in weights.values()):
        return {}
    for _ in range(3):
        long = sum(w for w in weights.values() if w > 0)
        short = sum(-w for w in weights.values() if w < 0)
        for name, weight in weights.items():
            share = weight * 0.5 / (long if weight > 0 else short)
            weights[name] = min(0.15, max(-0.15, share))
    return weights


def see(market, name, hour):
    """Return (bars, notional, deviation, trend by days, funding per hour, share) of a name at an hour."""
    closes, volumes = market["close"][name], market["volume"][name]
    logs = [
        math.log(closes[i] / closes[i - 1])
        for i in range(hour - 719, hour + 1)
        if i > 0 and closes[i] is not None and closes[i - 1] is not None
    ]
    worths = [closes[i] * volumes[i] for i in range(max(0, hour - 719), hour + 1) if closes[i] is not None]
    trend = {
        days: math.log(closes[hour] / closes[hour - 24 * days])
        for days in (14, 21, 28, 42)
        if hour >= 24 * days and closes[hour - 24 * days] is not None
    }
    rates = [(i, r) for i, r in sorted(market["funding"][name].items()) if i <= hour]
    total = covered = 0.0
    for place, (i, r) in enumerate(rates):
        if place and i > hour - 168 and (gap := i - rates[place - 1][0]) in (1, 2, 4, 8):
            total, covered = total + r, covered + gap
    return {
        "bars": sum(close is not None for close in closes[: hour + 1]),
        "notional": sum(worths) / len(worths) if len(worths) >= 648 else 0.0,
        "deviation": statistics.stdev(logs) if len(logs) >= 648 else 0.0,
        "trend": trend,
        "funding": total / covered if covered else None,
        "share": covered / 168,
    }


def want(market, family, hour, size):
    """Return the target weights of a family at an hour."""
    seen = {name: see(market, name, hour) for name in market["close"] if market["close"][name][hour] is not None}
    able = [n for n in sorted(seen) if seen[n]["bars"] >= 2160 and seen[n]["notional"] > 0 and seen[n]["deviation"] > 0]
    universe = sorted(able, key=lambda n: -seen[n]["notional"])[:size]
    deviations = {name: seen[name]["deviation"] for name in universe}
    ranks = [rank({n: seen[n]["trend"][d] for n in universe if d in seen[n]["trend"]}) for d in (14, 21, 28, 42)]
    strength = {n: sum(r[n] for r in ranks) / 4 for n in universe if all(n in r for r in ranks)}
    paid = {n: -seen[n]["funding"] for n in universe if seen[n]["funding"] is not None and seen[n]["share"] >= 0.9}
    books = {
        "trend_book": [make_weights(strength, deviations)],
        "carry_book": [make_weights(rank(paid), deviations)],
    }
    books["trend_carry_book"] = books["trend_book"] + books["carry_book"]
    own = books[family]
    return {n: sum(b.get(n, 0.0) for b in own) / len(own) for n in universe if any(n in b for b in own)}


def trade_days(market, family, *, first, size, band, cost, worth, lot):
    """Return the equity after every hour from `first` on. `lot`: base units of a lot of every name; `cost` per side."""
    hours = len(next(iter(market["close"].values())))
    last = {name: max(i for i, c in enumerate(closes) if c is not None) for name, closes in market["close"].items()}
    cash, held, marks, curve, plan = worth, {}, {}, [], None

    def move(name, size_now, price):
        nonlocal cash
        change = size_now - held.get(name, 0.0)
        if change == 0:
            return
        paid = price * (1 + cost["slip"] if change > 0 else 1 - cost["slip"])
        cash -= change * paid + abs(change) * paid * cost["fee"]
        held[name] = size_now
        marks.setdefault(name, price)
        if size_now == 0:
            del held[name]

    for hour in range(first, hours):
        if plan is not None:
            equity, targets, before, hour_before = plan
            for name in sorted(targets):
                target, weight, price = targets[name], before.get(name, 0.0), market["open"][name][hour]
                turned = target * weight < 0
                if price is None or not (target == 0 or turned or abs(target - weight) >= band):
                    continue
                units = math.floor(abs(target) * equity / market["close"][name][hour_before] / lot + 1e-12)
                move(name, math.copysign(units * lot, target) if units else 0.0, price)
            plan = None
        for name in sorted(held):
            if market["close"][name][hour] is not None:
                marks[name] = market["close"][name][hour]
            cash -= held[name] * marks[name] * market["funding"][name].get(hour, 0.0)
            if hour == hours - 1 or last[name] == hour:
                move(name, 0.0, marks[name])
        equity = cash + sum(held[name] * marks[name] for name in held)
        curve.append(equity)
        if (market["first_close_hour"] + hour) % 24 == 0 and hour < hours - 1:
            wanted = want(market, family, hour, size)
            before = {name: held[name] * marks[name] / equity for name in held}
            known = {name for name in {*held, *wanted} if market["close"][name][hour] is not None}
            targets = {name: wanted.get(name, 0.0) for name in known if wanted.get(name) or name in held}
            plan = equity, targets, before, hour
    return curve
