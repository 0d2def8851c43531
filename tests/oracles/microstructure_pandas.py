"""Hourly microstructure and cross-section, one obvious step after another in pandas; slow."""

import numpy as np
import pandas as pd

HOUR, MINUTE = pd.Timedelta(hours=1), pd.Timedelta(minutes=1)
LN2 = np.log(2.0)


def hours_of(minutes: pd.DataFrame) -> pd.DataFrame:
    """Per asset and hour; one row of statistics each, indexed by asset and close."""
    parts = []
    for asset, unsorted in minutes.groupby("asset"):
        own = unsorted.sort_values("open_time").set_index("open_time")
        before = own["close"].reindex(own.index - MINUTE).to_numpy()
        earlier = own["close"].reindex(own.index - 2 * MINUTE).to_numpy()
        own["r"], own["move"], own["move_before"] = own["close"] / before - 1, own["close"] - before, before - earlier
        typical = (own["high"] + own["low"] + own["close"]) / 3 * own["volume"]
        own["quote"] = own["volume_quote"].where(own["volume_quote"].notna(), typical)
        for hour, rows in own.groupby(own.index.floor("h")):
            parts.append({"asset": asset, "event_timestamp": hour + HOUR, **one_hour(rows)})
    return pd.DataFrame(parts).set_index(["asset", "event_timestamp"]).sort_index()


def one_hour(rows: pd.DataFrame) -> dict[str, float]:
    traded = rows[rows["volume"] > 0]
    vwap = traded["quote"].sum() / traded["volume"].sum() if len(traded) else np.nan
    spans, bodies = np.log(rows["high"] / rows["low"]), np.log(rows["close"] / rows["open"])
    klass = (0.5 * spans**2 - (2 * LN2 - 1) * bodies**2).mean() * 60
    told = rows[rows["taker_buy_volume"].notna()]
    lit = rows[rows["r"].notna() & (rows["quote"] > 0)]
    pairs = rows[["move", "move_before"]].dropna()
    covariance = pairs.cov().iloc[0, 1] if len(pairs) > 1 else np.nan
    return {
        "vwap": vwap,
        "vwap_deviation": (rows["close"].iloc[-1] - vwap) / vwap,
        "realized_vol_1h": rows["r"].dropna().std() * np.sqrt(60),
        "volume_cv": rows["volume"].std() / rows["volume"].mean() if rows["volume"].sum() > 0 else np.nan,
        "taker_buy_ratio": told["taker_buy_volume"].sum() / told["volume"].sum()
        if told["volume"].sum() > 0
        else np.nan,
        "parkinson_vol": np.sqrt(60 * (spans**2).mean() / (4 * LN2)),
        "garman_klass_vol": np.sqrt(klass) if klass >= 0 else np.nan,
        "amihud": (lit["r"].abs() / lit["quote"]).mean() if len(lit) else np.nan,
        "roll_spread": 2 * np.sqrt(-covariance) if covariance < -((1e-10 * rows["close"].iloc[-1]) ** 2) else np.nan,
        "minutes_observed": len(rows),
    }


def cross_section(bars: pd.DataFrame, volatility: pd.Series) -> pd.DataFrame:
    """`bars`: asset_hourly rows; `volatility`: realized_vol_1h by asset and close."""
    at = {asset: own.set_index("event_timestamp") for asset, own in bars.groupby("asset")}
    out = []
    for hour, present in bars.groupby("event_timestamp"):
        listed = [a for a, own in at.items() if ((own.index <= hour) & (own.index > hour - 24 * HOUR)).any()]
        if len(present) < 0.5 * len(listed):
            continue
        by_hour = (present["funding_rate"] / present["funding_interval_h"]).dropna()
        for row in present.itertuples():
            own = at[row.asset]
            past = [own["volume_quote"].get(hour - k * HOUR, np.nan) for k in range(24)]
            regime = [volatility.get((row.asset, hour - k * HOUR), np.nan) for k in range(168)]
            seen = [value for value in regime if not np.isnan(value)]
            now = volatility.get((row.asset, hour), np.nan)
            momentum = {
                f"momentum_{k}h": row.close / own["close"].get(hour - k * HOUR, np.nan) - 1 for k in (1, 24, 168)
            }
            out.append(
                {
                    "asset": row.asset,
                    "event_timestamp": hour,
                    "funding_pressure": row.funding_rate / row.funding_interval_h
                    - (by_hour.median() if len(by_hour) else np.nan),
                    "relative_volume": row.volume_quote / mean
                    if (mean := present["volume_quote"].mean()) > 0
                    else np.nan,
                    "turnover_ratio": row.volume_quote / np.mean(past) if np.mean(past) > 0 else np.nan,
                    "price_efficiency": now / row.atr_pct if row.atr_pct > 0 else np.nan,
                    **momentum,
                    "volatility_regime": now / np.mean(seen) if len(seen) >= 152 and np.mean(seen) > 0 else np.nan,
                    "assets_observed": len(present),
                }
            )
    return pd.DataFrame(out).set_index(["asset", "event_timestamp"]).sort_index()
