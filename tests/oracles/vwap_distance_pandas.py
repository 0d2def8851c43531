"""Distance from VWAP, bar by bar in Python loops over pandas rows: no window function, no truncation of times."""

import math
from itertools import pairwise

import pandas as pd

HOUR = pd.Timedelta(hours=1)


def bars(hours, end, zone, bar_hours):
    """One asset's bars by the start that a wall clock shows: {local start: bar}, complete at `end` only."""
    found = {}
    for row in hours.sort_values("event_timestamp").itertuples():
        shown = (row.event_timestamp - HOUR).tz_convert(zone)
        start = pd.Timestamp(shown.year, shown.month, shown.day) + (shown.hour // bar_hours) * bar_hours * HOUR
        close = (start + bar_hours * HOUR).tz_localize(zone, nonexistent="shift_forward").tz_convert("UTC")
        if close > end:
            continue
        bar = found.setdefault(start, {"event_timestamp": close, "rows": []})
        bar["rows"].append(row)
    return found


def one_asset(hours, end, zone="America/New_York", bar_hours=4, window=6, max_fill=6):
    """Rows of one asset without what compares assets; NaN where something is not defined."""
    found = bars(hours, end, zone, bar_hours)
    if not found:
        return []
    series, carried, step = [], 0, bar_hours * HOUR
    start, last = min(found), max(found)
    while start <= last:
        if start in found:
            rows = found[start]["rows"]
            o, c = rows[0].open, rows[-1].close
            h, l = max(r.high for r in rows), min(r.low for r in rows)  # noqa: E741
            volume, carried = math.fsum(r.volume_base for r in rows), 0
            known = max(r.created_timestamp for r in rows)
        else:
            carried += 1
            price = series[-1]["close"] if carried <= max_fill else math.nan
            o = h = l = c = price  # noqa: E741
            rows, volume, known = [], 0.0, None
        series.append(
            {
                "event_timestamp": found[start]["event_timestamp"] if start in found else None,
                "known": known, "close": c, "hours_observed": len(rows), "central": (o + h + l + c) / 4,
                "volume": volume, "carried_out": math.isnan(c),
            }
        )  # fmt: skip
        start += step
    return [_with_windows(series, at, window) for at in range(len(series)) if series[at]["hours_observed"]]


def _with_windows(series, at, window):
    own = series[at]
    row = {name: own[name] for name in ("event_timestamp", "known", "close", "hours_observed", "central")}
    row["notional"] = own["central"] * own["volume"]
    names = ("vwap", "vwap_simple", "dist_from_vwap", "avg_notional", "realized_var", "realized_vol", "exp_vol",
             "rolling_return", "sharpe")  # fmt: skip
    row |= dict.fromkeys(names, math.nan)
    held = series[max(0, at - window + 1) : at + 1]
    if len(held) < window or any(bar["carried_out"] for bar in held):
        return row
    traded = math.fsum(bar["volume"] for bar in held)
    money = math.fsum(bar["central"] * bar["volume"] for bar in held)
    row["vwap_simple"] = math.fsum(bar["central"] for bar in held) / window
    row["avg_notional"] = money / window
    if traded > 0:
        row["vwap"] = money / traded
        row["dist_from_vwap"] = 100 * (own["close"] - row["vwap"]) / row["vwap"]
    closes = [bar["close"] for bar in held]
    row["rolling_return"] = 100 * (closes[-1] / closes[0] - 1)
    changes = [100 * (b / a - 1) for a, b in pairwise(closes)]
    mean = math.fsum(changes) / len(changes)
    deviation = math.sqrt(math.fsum((change - mean) ** 2 for change in changes) / (len(changes) - 1))
    if deviation > 1e-10:
        row["sharpe"] = row["rolling_return"] / (deviation * math.sqrt(len(changes)))
    before = series[at - window] if at >= window else None
    if before is not None and not before["carried_out"]:
        steps = zip([before["close"], *closes], closes, strict=False)
        row["realized_var"] = math.fsum(math.log(b / a) ** 2 for a, b in steps)
        row["realized_vol"] = 100 * math.sqrt(365 * row["realized_var"])
        row["exp_vol"] = row["realized_vol"] / math.sqrt(365)
    return row


def universe(hours, end, **how):
    """All assets: ranks by counting who is below and who is equal; created when everything up to then was known."""
    rows = [
        {"asset": asset, **row}
        for asset, own in hours.groupby("asset")
        for row in one_asset(own, pd.Timestamp(end), **how)
    ]
    newest = pd.Timestamp(0, tz="UTC")
    for at in sorted({row["event_timestamp"] for row in rows}):
        peers = [row for row in rows if row["event_timestamp"] == at]
        newest = max(newest, *(row["known"] for row in peers))
        values = [row["dist_from_vwap"] for row in peers if not math.isnan(row["dist_from_vwap"])]
        for row in peers:
            mine = row["dist_from_vwap"]
            below, equal = sum(v < mine for v in values), sum(v == mine for v in values)
            row["ranked_dist"] = math.nan if math.isnan(mine) else (below + (equal + 1) / 2) / len(values)
            row["assets_ranked"] = len(values)
            row["created_timestamp"] = max(newest, at + pd.Timedelta(milliseconds=1))
    return pd.DataFrame(rows).sort_values(["asset", "event_timestamp"]).reset_index(drop=True)
