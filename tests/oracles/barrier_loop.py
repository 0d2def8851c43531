"""The triple-barrier outcome of one leg by one plain loop in exact decimals."""

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

HOUR = timedelta(hours=1)


def D(value):
    return Decimal(repr(value))


def clamp(value, low, high):
    return min(max(value, low), high)


def levels(sign, entry, atr, tick, rules):
    """(stop, target): ATR distances over the fill, clamped, on the tick where there is one; defaults without ATR."""
    fractions = [
        D(default) if atr is None else clamp(D(multiple) * D(atr) / entry, D(low), D(high))
        for multiple, (low, high), default in rules
    ]
    prices = [entry * (1 - sign * fractions[0]), entry * (1 + sign * fractions[1])]
    if tick is None:
        return prices
    return [max((price / D(tick)).to_integral_value(ROUND_HALF_UP), 1) * D(tick) for price in prices]


def outcome(bars, settlements, t0, sign, *, atr, tick, rules, horizon, fee_bps, slippage_bps):
    """(t1, net return per notional entered) of a position decided at t0; None where it cannot be said.

    bars: {close: (open, high, low, close)}; settlements: {time: rate}; rules: (multiple, bounds, default) of stop and
    target. Every hour without a bar is passed over.
    """
    with localcontext() as context:
        context.prec = 60
        fee, slippage = D(fee_bps) / 10_000, D(slippage_bps) / 10_000
        if t0 + HOUR not in bars:
            return None
        mark = D(bars[t0 + HOUR][0])
        entry = mark * (1 + sign * slippage)
        stop, target = levels(sign, entry, atr, tick, rules)
        funding, leaves = Decimal(0), None
        for step in range(1, horizon + 1):
            now = t0 + step * HOUR
            if now in bars:
                opened, high, low, closed = map(D, bars[now])
                if sign > 0:
                    path = [(opened <= stop or opened >= target, opened), (low <= stop, stop), (high >= target, target)]
                else:
                    path = [(opened >= stop or opened <= target, opened), (high >= stop, stop), (low <= target, target)]
                leaves = next((price for met, price in path if met), None)
                mark = closed
            if leaves is not None:
                break
            due = [rate for time, rate in settlements.items() if now - HOUR < time <= now]
            funding += sign * mark * sum(map(D, due), Decimal(0))
        if leaves is None:
            if now not in bars:
                return None
            leaves = mark
        price = leaves * (1 - sign * slippage)
        net = sign * (price - entry) - fee * (entry + price) - funding
        return now, net / entry
