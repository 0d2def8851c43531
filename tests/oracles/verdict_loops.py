"""Verdicts on raw rows of one instrument by plain loops over rows (lists of dictionaries): slow and obvious."""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import pairwise

PRICES = ("open", "high", "low", "close", "bid_price", "ask_price")
AMOUNTS = ("volume", "size", "notional", "interest", "count", "inflow")
LIMIT = 1.5
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def finite(value):
    return value is not None and math.isfinite(value)


def judge(rows, kind, now, before=None, released=()):
    """Return the places of accepted rows, and (place, rules) of those withheld, in the order of the verdicts.

    `released` has (rules, rows) per item.
    """
    places = list(range(len(rows)))
    withheld = []
    for find in (alone, lambda left, *_: among(left, kind, before)):
        found = find([rows[place] for place in places], kind, now)
        wrong = {}
        for rule, hits in found.items():
            for hit in hits:
                row = rows[places[hit]]
                if not any(rule in rules and any(same(row, other) for other in known) for rules, known in released):
                    wrong.setdefault(places[hit], []).append(rule)
        withheld += [(place, wrong[place]) for place in places if place in wrong]
        places = [place for place in places if place not in wrong]
    return places, withheld


def same(row, other):
    return all(equal(row[name], other[name]) for name in row if name != "known_at")


def equal(one, other):
    return one == other or (isinstance(one, float) and isinstance(other, float) and one != one and other != other)


def alone(rows, kind, now):
    """Return per rule the places of rows that are wrong by themselves."""
    hits = {}

    def note(rule, place, broken):
        if broken:
            hits.setdefault(rule, []).append(place)

    for place, row in enumerate(rows):
        time, known = row[kind.time], row["known_at"]
        values = {name: row[name] for name in kind.values}
        due = None if time is None else time + kind.known_after
        required = [value for name, value in values.items() if name not in kind.nullable]
        empty = all(value is None for value in values.values())
        note("null_values", place, None in (time, known, *required) or empty)
        numbers = [value for value in values.values() if value is not None]
        note("nonfinite_values", place, not all(math.isfinite(value) for value in numbers))
        twins = [other for other in rows if other[kind.time] == time and other["known_at"] == known]
        alike = [other for other in twins if same(row, other)]
        note("duplicate_times", place, len(alike) > 1)
        note("conflicting_duplicates", place, len(twins) > 1 and len(alike) == 1)
        note("future_times", place, due is not None and due > now)
        note("known_too_early", place, None not in (due, known) and known < due)
        bar = [values.get(name) for name in ("open", "high", "low", "close")]
        if "close" in values and "volume" not in values and all(finite(value) and value > 0 for value in bar):
            note("impossible_ranges", place, math.log(values["high"]) - math.log(values["low"]) > LIMIT)
        grid = kind.every or kind.known_after or (MINUTE if kind.name == "funding" else None)
        if grid and time is not None:
            note("misaligned_times", place, time.timestamp() % grid.total_seconds() != 0)
        note("nonpositive_prices", place, any(finite(values.get(name)) and values[name] <= 0 for name in PRICES))
        amounts = [value for name, value in values.items() if any(word in name for word in AMOUNTS)]
        note("negative_volumes", place, any(finite(value) and value < 0 for value in amounts))
        if "high" in values:
            note("high_low_violations", place, is_crooked(values))
        if "ask_price" in values and finite(values["bid_price"]) and finite(values["ask_price"]):
            note("crossed_books", place, values["bid_price"] > values["ask_price"])
        if finite(values.get("funding_rate")):
            note("rates_out_of_bounds", place, abs(values["funding_rate"]) > 0.05)
    order = [
        "null_values",
        "nonfinite_values",
        "duplicate_times",
        "conflicting_duplicates",
        "future_times",
        "known_too_early",
        "impossible_ranges",
        "misaligned_times",
        "nonpositive_prices",
        "negative_volumes",
        "high_low_violations",
        "crossed_books",
        "rates_out_of_bounds",
    ]
    return {rule: hits[rule] for rule in order if rule in hits}


def is_crooked(values):
    known = {name: values[name] for name in ("open", "high", "low", "close") if values[name] is not None}
    if not all(math.isfinite(value) for value in known.values()):
        return False
    below = "high" in known and any(known["high"] < value for value in known.values())
    above = "low" in known and any(known["low"] > value for value in known.values())
    return below or above


def among(rows, kind, before):
    """Return per rule the places of rows that do not fit their neighbours."""
    time = kind.time
    late = [
        place
        for place, row in enumerate(rows)
        if row[time] is not None and any(other[time] is not None and row[time] < other[time] for other in rows[:place])
    ]
    newest = {}
    for row in rows:
        old = newest.get(row[time])
        if old is None or nulls_first(row["known_at"]) >= nulls_first(old["known_at"]):
            newest[row[time]] = row
    bars = [newest[instant] for instant in sorted(newest, key=nulls_first)]
    wrong = {"non_monotone_times": late}
    if "close" in kind.values:
        wrong["price_jump"] = places_of(rows, jumping(bars, kind, before), time)
        if "volume" in kind.values and kind.every:
            wrong["stale_bars"] = places_of(rows, stale(bars), time)
    return {rule: hits for rule, hits in wrong.items() if hits}


def nulls_first(instant):
    return (instant is not None, instant)


def places_of(rows, bars, time):
    versions = {(bar[time], bar["known_at"]) for bar in bars}
    return [place for place, row in enumerate(rows) if (row[time], row["known_at"]) in versions]


def stale(bars):
    found, run = [], []
    for bar in [*bars, None]:
        if run and bar and all(equal(bar[c], run[0][c]) for c in ("open", "high", "low", "close", "volume")):
            run.append(bar)
            continue
        if len(run) >= 10 and run[0]["volume"] is not None and not run[0]["volume"] <= 0:
            found += run[1:]
        run = [bar]
    return found


def in_other_units(step):
    """Whether a step of the logarithm is about that of a factor of 10, 100, 1000 and so on."""
    return any(abs(step - math.log(10**power)) <= 0.25 for power in range(1, 30))


def jumping(bars, kind, before):
    """Return the bars on the wrong side of a jump: `before` says what is right, or the longest calm stretch."""
    bars = [bar for bar in bars if bar[kind.time] is not None and finite(bar["close"]) and bar["close"] > 0]
    if not bars:
        return []
    levels = [math.log(bar["close"]) for bar in bars]
    longest = max(HOUR, 24 * kind.known_after)
    stretches = []  # [places, whether a hole lies before them]
    for place, bar in enumerate(bars):
        hole = place > 0 and bar[kind.time] - bars[place - 1][kind.time] > longest
        if place == 0 or hole or abs(levels[place] - levels[place - 1]) > LIMIT:
            stretches.append(([], hole))
        stretches[-1][0].append(place)
    steps = [abs(b - a) for a, b in pairwise(levels)]
    start = None if before is None else math.log(before)
    if not any(step > LIMIT for step in steps) and (start is None or abs(levels[0] - start) <= LIMIT):
        return []
    trusted = 0
    if start is None:
        sizes = [len(places) for places, _ in stretches]
        trusted = sizes.index(max(sizes))
        start = levels[stretches[trusted][0][0]]
    wrong = []
    level = start
    for places, hole in stretches[trusted:]:
        step = abs(levels[places[0]] - level)
        if step <= LIMIT or (hole and not in_other_units(step)):
            level = levels[places[-1]]
        else:
            wrong += places
    level = levels[stretches[trusted][0][0]]
    for number in range(trusted - 1, -1, -1):
        places = stretches[number][0]
        step = abs(levels[places[-1]] - level)
        if step <= LIMIT or (stretches[number + 1][1] and not in_other_units(step)):
            level = levels[places[0]]
        else:
            wrong += places
    return [bars[place] for place in wrong]
