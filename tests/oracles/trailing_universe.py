"""A dynamic universe the obvious way: loops over plain rows, one date, one asset and one hour after another."""

from datetime import timedelta

HOUR = timedelta(hours=1)


def notional_known(asset, close, known_by, minutes, native):
    """The hour's close · volume as known; None where nothing is. Rows: (asset, open_time, known_at, close, volume)."""
    newest = {}
    for name, opened, known, price, volume in sorted(minutes, key=lambda row: row[2]):
        if name == asset and close - HOUR <= opened < close and known <= known_by:
            newest[opened] = (price, volume)
    if newest:
        return newest[max(newest)][0] * sum(volume for _, volume in newest.values())
    found = None
    for name, opened, known, price, volume in sorted(native, key=lambda row: row[2]):
        if name == asset and opened + HOUR == close and known <= known_by:
            found = price * volume
    return found


def members(at, lag, minutes, native, *, top, window_hours, min_bars):
    """(asset, mean notional, age) by rank."""
    known_by = at + lag
    ranked = []
    for asset in {row[0] for row in (*minutes, *native)}:
        first = min(row[1] for row in (*minutes, *native) if row[0] == asset)
        close = first.replace(minute=0) + HOUR
        age, total, alive = 0, 0.0, False
        while close <= at:
            notional = notional_known(asset, close, known_by, minutes, native)
            if notional is not None:
                age += 1
                alive = alive or close > at - 24 * HOUR
                if close > at - window_hours * HOUR:
                    total += notional
            close += HOUR
        if alive and age >= min_bars:
            ranked.append((asset, total / window_hours, age))
    return sorted(ranked, key=lambda row: (-row[1], row[0]))[:top]
