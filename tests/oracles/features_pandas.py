"""Asset and pair features, one obvious step after another in pandas; slow. None and NaN both mean: not there."""

import numpy as np
import pandas as pd

from tests.oracles.funding_intervals import interval_of

HOUR = pd.Timedelta(hours=1)
ROUNDING = 1e-12
NAN = float("nan")


def on_hours(frame: pd.DataFrame) -> pd.DataFrame:
    """One entity's rows on every hour between its first and its last."""
    frame = frame.set_index("event_timestamp").sort_index()
    return frame.reindex(pd.date_range(frame.index[0], frame.index[-1], freq="h", name="event_timestamp"))


def deviation(values: np.ndarray, scale: float = 0.0) -> float:
    if np.isnan(values).any():
        return NAN
    if max(values) - min(values) <= ROUNDING * max(abs(max(values)), abs(min(values)), scale):
        return 0.0
    return float(np.std(values, ddof=1))


def asset_features(
    bars: pd.DataFrame, funding: pd.DataFrame, vol_bars: int, atr_bars: int, inflow: pd.DataFrame | None = None
) -> pd.DataFrame:
    parts = [_one_asset(name, part, funding, vol_bars, atr_bars, inflow) for name, part in bars.groupby("asset")]
    return pd.concat(parts, ignore_index=True)


def _one_asset(name, bars, funding, vol_bars, atr_bars, inflow):
    rows = on_hours(bars)
    rows["return_1h"] = rows["close"] / rows["close"].shift(1) - 1
    ranges = []
    for high, low, before in zip(rows["high"], rows["low"], rows["close"].shift(1), strict=True):
        parts = [high - low, abs(high - before), abs(low - before)]
        ranges.append(NAN if np.isnan(parts).any() else max(parts))
    rows["range"] = ranges
    rows["realized_vol_24h"] = rows["return_1h"].rolling(vol_bars).apply(deviation, raw=True, args=(1.0,))
    rows["atr_14"] = rows["range"].rolling(atr_bars).apply(np.mean, raw=True)
    rows["atr_pct"] = rows["atr_14"] / rows["close"]
    rows = rows[rows["close"].notna()].copy()
    settled = funding[funding["asset"] == name].sort_values("funding_time")
    days = None if inflow is None else inflow[inflow["asset"] == name].sort_values("time")
    rates, hours, flows, created, latest = [], [], [], [], pd.Timestamp(0, tz="UTC")
    for close, row in rows.iterrows():
        seen = settled[(settled["funding_time"] <= close) & (settled["funding_time"] >= close - 24 * HOUR)]
        rates.append(seen["funding_rate"].iloc[-1] if len(seen) else NAN)
        known = [row["known_at"], *seen["known_at"].iloc[-1:]]
        hours.append(NAN)
        if len(seen):
            newest = seen["funding_time"].iloc[-1]
            past = settled[settled["funding_time"] <= newest]
            rates_of = [None if np.isnan(rate) else rate for rate in past["funding_rate"]]
            gap = interval_of(list(zip(past["funding_time"], rates_of, strict=True)), newest)
            if gap is not None:
                hours[-1] = gap
                known.extend(past["known_at"].iloc[-4:-1])
                if close - newest > 3 * gap * HOUR:  # three settlements are missing
                    rates[-1] = hours[-1] = NAN
        flow = NAN
        if days is not None:  # a day is complete 24 h after it began, and counts for 48 h more
            over = days[(days["time"] <= close - 24 * HOUR) & (days["time"] >= close - 72 * HOUR)]
            flow = over["inflow"].iloc[-1] if len(over) else NAN
            known.extend(over["known_at"].iloc[-1:])
        flows.append(flow)
        latest = max([latest, *known])
        created.append(max(latest, close + pd.Timedelta(milliseconds=1)))
    rows["funding_interval_h"] = hours
    rows["funding_rate"], rows["inflow"], rows["created_timestamp"] = rates, flows, created
    return rows.reset_index()


def wilder(values: list[float], period: int) -> list[float]:
    """RSI by the definition, as a loop with a memory that a hole wipes out."""
    out, before, ups, downs = [], NAN, [], []
    up = down = NAN
    for value in values:
        result = NAN
        if np.isnan(value) or np.isnan(before):
            ups, downs = [], []
        else:
            change = value - before
            if abs(change) <= ROUNDING * abs(value):
                change = 0.0
            ups.append(max(change, 0.0))
            downs.append(max(-change, 0.0))
            if len(ups) == period:
                up, down = sum(ups) / period, sum(downs) / period
            elif len(ups) > period:
                up, down = (up * (period - 1) + ups[-1]) / period, (down * (period - 1) + downs[-1]) / period
            if len(ups) >= period and up + down > 0:
                result = 100 * up / (up + down)
        out.append(result)
        before = value
    return out


def pair_features(assets: pd.DataFrame, base: str, quote: str, windows: dict[str, int], minimum: int) -> pd.DataFrame:
    """`windows`: z, rsi, roc, volume, correlation (bars). Without hedge ratio and half-life: see reversion_lstsq."""
    left, right = (assets[assets["asset"] == name].set_index("event_timestamp") for name in (base, quote))
    common = left.index.intersection(right.index)
    if len(common) < minimum:
        return pd.DataFrame()
    both = left.loc[common].add_suffix("_a").join(right.loc[common].add_suffix("_b"))
    both["count"] = range(1, len(both) + 1)
    both["created_timestamp"] = both[["created_timestamp_a", "created_timestamp_b"]].max(axis=1).cummax()
    rows = on_hours(both.reset_index())
    a, b = (rows[[c for c in rows if c.endswith(s)]].rename(columns=lambda c: c[:-2]) for s in ("_a", "_b"))
    rows["spread"] = a["close"] / b["close"]
    spread = rows["spread"]
    z = windows["z"]
    std = spread.rolling(z).apply(deviation, raw=True)
    rows["z_score"] = ((spread - spread.rolling(z).apply(np.mean, raw=True)) / std).where(std > 0)
    rows["spread_rsi"] = wilder(list(spread), windows["rsi"])
    rows["spread_roc"] = 100 * (spread / spread.shift(windows["roc"]) - 1)
    rows["spread_change_1h"] = spread / spread.shift(1) - 1
    rows["vol_ratio"] = (a["volume_quote"] / b["volume_quote"]).where(b["volume_quote"] > 0)
    mean = rows["vol_ratio"].rolling(windows["volume"]).apply(np.mean, raw=True)
    rows["vol_ratio_rel"] = (rows["vol_ratio"] / mean).where(mean > 0)
    rows["realized_vol_base"], rows["realized_vol_quote"] = a["realized_vol_24h"], b["realized_vol_24h"]
    rows["vol_diff_ratio"] = (a["realized_vol_24h"] / b["realized_vol_24h"]).where(b["realized_vol_24h"] > 0)
    rows["realized_vol_avg"] = (a["realized_vol_24h"] + b["realized_vol_24h"]) / 2
    rows["atr_base"], rows["atr_quote"] = a["atr_14"], b["atr_14"]
    rows["atr_pct_base"], rows["atr_pct_quote"] = a["atr_14"] / a["close"], b["atr_14"] / b["close"]
    rows["atr_pct_avg"] = (rows["atr_pct_base"] + rows["atr_pct_quote"]) / 2
    rows["base_funding"], rows["quote_funding"] = a["funding_rate"], b["funding_rate"]
    per_hour = [side["funding_rate"] / side["funding_interval_h"] for side in (a, b)]
    rows["funding_diff"] = per_hour[0] - per_hour[1]
    rows["funding_avg"] = (per_hour[0] + per_hour[1]) / 2
    rows["base_inflow"], rows["quote_inflow"] = a["inflow"], b["inflow"]
    rows["inflow_ratio"] = (a["inflow"] / b["inflow"]).where(b["inflow"] > 0)
    rows["correlation_168h"] = _correlations(list(a["return_1h"]), list(b["return_1h"]), windows["correlation"])
    rows["pair_id"], rows["base_asset"], rows["quote_asset"] = f"{base}__{quote}", base, quote
    return rows[rows["count"] >= minimum].reset_index()


def _correlations(first: list[float], second: list[float], window: int) -> list[float]:
    out = []
    for end in range(1, len(first) + 1):
        pairs = [
            (x, y)
            for x, y in zip(first[max(0, end - window) : end], second[max(0, end - window) : end], strict=True)
            if not (np.isnan(x) or np.isnan(y))
        ]
        if 10 * len(pairs) < 9 * window or any(
            deviation(np.array(side), 1.0) == 0 for side in zip(*pairs, strict=True)
        ):
            out.append(NAN)
        else:
            out.append(float(np.corrcoef(np.array(pairs).T)[0, 1]))
    return out
