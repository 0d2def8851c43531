"""Risk factors the obvious way: pandas for buckets and factor returns, QR least squares for exposures."""

import numpy as np
import pandas as pd

MINUTE, DAY = pd.Timedelta(minutes=1), pd.Timedelta(days=1)
WINDOWS = (60, 120, 180, 360, 720)


def wide(minutes: pd.DataFrame, value: pd.Series) -> pd.DataFrame:
    """Minutes × assets, every minute from the first midnight to the last minute."""
    table = minutes.assign(value=value).pivot(index="open_time", columns="asset", values="value").sort_index()
    whole = pd.date_range(table.index[0].floor("D"), table.index[-1], freq="min")
    return table.reindex(whole)


def returns_of(minutes: pd.DataFrame) -> pd.DataFrame:
    return wide(minutes, (minutes["close"] - minutes["open"]) / minutes["open"])


def volumes_of(minutes: pd.DataFrame) -> pd.DataFrame:
    typical = (minutes["high"] + minutes["low"] + minutes["close"]) / 3 * minutes["volume"]
    return wide(minutes, minutes["volume_quote"].fillna(typical))


def scores(returns: pd.DataFrame, liquidity: pd.DataFrame, day: pd.Timestamp, days: int) -> pd.DataFrame:
    """Of the day that begins at `day`: asset × (liquidity, beta, momentum)."""
    before = returns[(returns.index >= day - days * DAY) & (returns.index < day)]
    market = before.mean(axis=1)
    found = {}
    for asset in returns:
        recent = returns.loc[(returns.index >= day - 2 * DAY) & (returns.index < day), asset]
        if recent.notna().sum() < 0.9 * 2880:
            continue
        own = before[asset].dropna()
        beta = np.cov(own, market[own.index])[0, 1] / np.var(market[own.index], ddof=1)
        history = returns.loc[returns.index < day, asset].fillna(0.0)
        momentum = sum(history.rolling(window).sum().tail(1440).mean() for window in WINDOWS)
        found[asset] = (liquidity.loc[before.index, asset].mean(), beta, momentum)
    return pd.DataFrame(found, index=["liquidity", "beta", "momentum"]).T


def terciles(score: pd.Series) -> pd.Series:
    ordered = score.sort_index().sort_values(kind="stable")
    return pd.Series([3 * rank // len(ordered) for rank in range(len(ordered))], index=ordered.index)


def factors(returns: pd.DataFrame, membership: dict[pd.Timestamp, pd.DataFrame]) -> pd.DataFrame:
    """Minutes × (market, then low, med, high of each kind), for the days that have buckets."""
    parts = []
    for day, buckets in membership.items():
        today = returns[(returns.index >= day) & (returns.index < day + DAY)]
        columns = {"market": today.mean(axis=1)}
        for kind in buckets:
            for part, name in enumerate(("low", "med", "high")):
                columns[f"{kind}_{name}"] = today[buckets.index[buckets[kind] == part]].mean(axis=1)
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts)


def least_squares(regressors: np.ndarray, response: np.ndarray, ridge: float = 0.0):
    """constant, slopes, R², adjusted R² by QR of the centred problem; ridge as rows √λ below it."""
    count, size = regressors.shape
    mean_x, mean_y = regressors.mean(axis=0), response.mean()
    x = np.vstack([regressors - mean_x, np.sqrt(ridge) * np.eye(size)])
    y = np.concatenate([response - mean_y, np.zeros(size)])
    q, r = np.linalg.qr(x)
    slopes = np.linalg.solve(r, q.T @ y)
    constant = mean_y - slopes @ mean_x
    error = response - constant - regressors @ slopes
    share = (error @ error) / ((response - mean_y) @ (response - mean_y))
    return np.array([constant, *slopes, 1 - share, 1 - share * (count - 1) / (count - size - 1)])
