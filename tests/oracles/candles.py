"""Candles by going through every finest bar, one bucket at a time."""

from datetime import UTC, datetime, timedelta


def opens_at(instant, name):
    """Open time of the bar that contains an aware UTC datetime, by calendar arithmetic."""
    minutes = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1H": 60, "2H": 120, "4H": 240}
    if name in minutes:
        midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
        passed = int((instant - midnight).total_seconds()) // 60
        return midnight + timedelta(minutes=passed // minutes[name] * minutes[name])
    shift = timedelta(0) if name.endswith("utc") else timedelta(hours=8)
    local = instant + shift
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    base = name.removesuffix("utc")
    if base in ("6H", "12H"):
        hours = int(base[:-1])
        start = midnight + timedelta(hours=local.hour // hours * hours)
    elif base == "1D":
        start = midnight
    elif base == "1M":
        start = midnight.replace(day=1)
    elif base == "3M":
        start = midnight.replace(day=1, month=(midnight.month - 1) // 3 * 3 + 1)
    elif base == "1W":
        start = midnight - timedelta(days=midnight.weekday())
    else:
        days = int(base[:-1])
        start = midnight - timedelta(days=(midnight - datetime(1970, 1, 1, tzinfo=UTC)).days % days)
    return start - shift


def ends_at(start_ms, name):
    """End of the bar that opens at `start_ms`; that of a month is found by walking to the first day of another bar."""
    base = name.removesuffix("utc")
    if base[-1] == "M":
        epoch, end_ms = datetime(1970, 1, 1, tzinfo=UTC), start_ms
        while opens_at(epoch + timedelta(milliseconds=end_ms), name) == epoch + timedelta(milliseconds=start_ms):
            end_ms += 86_400_000
        return end_ms
    length = {"m": 60_000, "H": 3_600_000, "D": 86_400_000, "W": 604_800_000}
    return start_ms + int(base[:-1]) * length[base[-1]]


def candles(bars, bar_ms, name, now_ms):
    """{open_ms: [open, high, low, close, volume, closed]} of everything known at `now_ms`."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    found = {}
    for bar in bars:
        if bar.open_ms > now_ms:
            continue
        start = opens_at(epoch + timedelta(milliseconds=bar.open_ms), name)
        key = round((start - epoch).total_seconds() * 1000)
        known = bar.open_ms + bar_ms <= now_ms
        prices = [bar.open, bar.high, bar.low, bar.close] if known else [bar.open] * 4
        if key not in found:
            found[key] = [bar.open, prices[1], prices[2], prices[3], 0.0, False]
        row = found[key]
        row[1], row[2], row[3] = max(row[1], prices[1]), min(row[2], prices[2]), prices[3]
        row[4] += bar.volume if known else 0.0
        row[5] = ends_at(key, name) <= now_ms
    return found
