"""Profiles by plain loops over rows (lists of dictionaries): slow and obvious."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from itertools import pairwise

PRICES = ("open", "high", "low", "close")


def finite(value):
    return value is not None and math.isfinite(value)


def on_grid(time, bar):
    return time.timestamp() % bar.total_seconds() == 0


def same_bits(row, columns):
    """NaN equals NaN here: it is the same cell."""
    return tuple("nan" if isinstance(row[c], float) and math.isnan(row[c]) else row[c] for c in columns)


def repeated(rows, time):
    keys = Counter((row[time], row["known_at"]) for row in rows)
    whole = Counter(same_bits(row, sorted(row)) for row in rows)
    twice = [row for row in rows if keys[row[time], row["known_at"]] > 1]
    equal = sum(whole[same_bits(row, sorted(row))] > 1 for row in twice)
    return {"duplicate_times": equal, "conflicting_duplicates": len(twice) - equal}


def late(rows, time):
    return sum(any(row[time] < other[time] for other in rows[:place]) for place, row in enumerate(rows))


def candles(rows, bar, now):
    numbers = (*PRICES, "volume")
    newest = {}
    for row in rows:
        old = newest.get(row["open_time"])
        if old is None or row["known_at"] >= old["known_at"]:
            newest[row["open_time"]] = row
    bars = [newest[time] for time in sorted(newest)]
    grid = [row["open_time"] for row in bars if on_grid(row["open_time"], bar)]
    expected = (grid[-1] - grid[0]) // bar + 1 if grid else 0
    jumps = [
        abs(math.log(b["close"]) - math.log(a["close"]))
        for a, b in pairwise(bars)
        if finite(a["close"]) and finite(b["close"]) and a["close"] > 0 and b["close"] > 0
    ]
    runs, longest, before = 0, 0, None
    for row in bars:
        shape = same_bits(row, numbers)
        runs = runs + 1 if shape == before else 1
        longest, before = max(longest, runs), shape
    return {
        "rows": len(rows),
        "null_values": sum(any(row[c] is None for c in numbers) for row in rows),
        "nonfinite_values": sum(
            any(row[c] is not None and not math.isfinite(row[c]) for c in (*numbers, "volume_quote")) for row in rows
        ),
        **repeated(rows, "open_time"),
        "non_monotone_times": late(rows, "open_time"),
        "misaligned_times": sum(not on_grid(row["open_time"], bar) for row in rows),
        "future_times": sum(row["open_time"] + bar > now for row in rows),
        "known_too_early": sum(row["known_at"] < row["open_time"] + bar for row in rows),
        "nonpositive_prices": sum(any(finite(row[c]) and row[c] <= 0 for c in PRICES) for row in rows),
        "negative_volumes": sum(any(finite(row[c]) and row[c] < 0 for c in ("volume", "volume_quote")) for row in rows),
        "high_low_violations": sum(high_low(row) for row in rows),
        "expected_rows": expected,
        "missing_rows": expected - len(grid),
        "max_abs_log_return": max(jumps, default=0.0),
        "longest_stale_run": longest,
    }


def high_low(row):
    known = {c: row[c] for c in PRICES if row[c] is not None}
    if not all(math.isfinite(value) for value in known.values()):
        return False
    too_low = "high" in known and any(known["high"] < known[c] for c in known if c != "high")
    too_high = "low" in known and any(known["low"] > known[c] for c in known if c != "low")
    return too_low or too_high


def funding(rows, now):
    times = sorted(row["funding_time"] for row in rows)
    return {
        "rows": len(rows),
        "null_values": sum(row["funding_rate"] is None for row in rows),
        "nonfinite_values": sum(row["funding_rate"] is not None and not finite(row["funding_rate"]) for row in rows),
        **repeated(rows, "funding_time"),
        "non_monotone_times": late(rows, "funding_time"),
        "misaligned_times": sum(not on_grid(time, timedelta(minutes=1)) for time in times),
        "future_times": sum(time > now for time in times),
        "known_too_early": sum(row["known_at"] < row["funding_time"] for row in rows),
        "rates_out_of_bounds": sum(finite(row["funding_rate"]) and abs(row["funding_rate"]) > 0.05 for row in rows),
        "irregular_intervals": sum(bool((b - a) % timedelta(hours=1)) for a, b in pairwise(times)),
    }


def view(rows, features, now):
    """Of one entity; `features` are the catalogue's declarations."""
    times = Counter(row["event_timestamp"] for row in rows)
    floats = [f.name for f in features if f.dtype == "float64"]
    counts = {
        "rows": len(rows),
        "null_times": sum(row["event_timestamp"] is None or row["created_timestamp"] is None for row in rows),
        "duplicate_keys": sum(times[row["event_timestamp"]] > 1 for row in rows),
        "known_before_event": sum(row["created_timestamp"] < row["event_timestamp"] for row in rows),
        "future_times": sum(row["event_timestamp"] > now for row in rows),
        "nonfinite_values": sum(any(row[n] is not None and not finite(row[n]) for n in floats) for row in rows),
    }
    for f in features:
        values = [row[f.name] for row in rows]
        if f.lower is not None or f.upper is not None:
            lower = -math.inf if f.lower is None else f.lower
            upper = math.inf if f.upper is None else f.upper
            known = [value for value in values if finite(value)]
            counts[f"out_of_bounds__{f.name}"] = sum(not lower <= value <= upper for value in known)
        if f.nulls == "never null":
            counts[f"nulls__{f.name}"] = sum(value is None for value in values)
    return counts
