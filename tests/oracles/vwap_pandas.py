"""Distance from VWAP of one asset in pandas: resampled on the wall clock, one obvious step after another."""

import numpy as np
import pandas as pd


def bars_of(hours: pd.DataFrame, zone: str, size: int) -> pd.DataFrame:
    """`hours`: event_timestamp (close, UTC), open, high, low, close, volume_base. Indexed by the bar's local begin."""
    local = (hours["event_timestamp"] - pd.Timedelta(hours=1)).dt.tz_convert(zone).dt.tz_localize(None)
    begins = local.dt.floor("D") + pd.to_timedelta(local.dt.hour // size * size, unit="h")
    grouped = hours.groupby(begins)
    return pd.DataFrame(
        {
            "open": grouped["open"].first(),
            "high": grouped["high"].max(),
            "low": grouped["low"].min(),
            "close": grouped["close"].last(),
            "volume": grouped["volume_base"].sum(),
            "hours_observed": grouped.size(),
        }
    )


def distances(bars: pd.DataFrame, size: int, w: int, fill: int) -> pd.DataFrame:
    whole = bars.reindex(pd.date_range(bars.index[0], bars.index[-1], freq=f"{size}h"))
    whole["close"] = whole["close"].ffill(limit=fill)
    missing = whole["hours_observed"].isna() & whole["close"].notna()
    for name in ("open", "high", "low"):
        whole[name] = whole[name].where(~missing, whole["close"])
    whole["volume"] = whole["volume"].where(~missing, 0.0)
    c = whole["close"]
    central = (whole["open"] + whole["high"] + whole["low"] + c) / 4
    notional, moves = central * whole["volume"], np.log(c / c.shift()) ** 2
    volume = whole["volume"].rolling(w).sum()
    whole["central"], whole["notional"] = central, notional
    whole["vwap"] = notional.rolling(w).sum() / volume.where(volume > 0)
    whole["vwap_simple"], whole["avg_notional"] = central.rolling(w).mean(), notional.rolling(w).mean()
    whole["dist_from_vwap"] = 100 * (c - whole["vwap"]) / whole["vwap"]
    whole["realized_var"] = moves.rolling(w).sum()
    whole["realized_vol"] = 100 * np.sqrt(365 * whole["realized_var"])
    whole["exp_vol"] = whole["realized_vol"] / np.sqrt(365)
    complete = c.rolling(w).count() == w
    whole["rolling_return"] = (100 * (c / c.shift(w - 1) - 1)).where(complete)
    deviation = (100 * c.pct_change(fill_method=None)).rolling(w - 1).std()
    whole["sharpe"] = whole["rolling_return"] / (deviation.where(deviation > 1e-10) * np.sqrt(w - 1))
    return whole[whole["hours_observed"].notna()]
