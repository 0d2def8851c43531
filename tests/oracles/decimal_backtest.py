"""A backtester for one position in one leg, in exact decimals, written as one loop that can be followed by hand.

It shares with the code under test only the decision function, which both are handed, and the record types.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

from pairity.strategy.lifecycle import decide, with_closed, with_opened
from pairity.strategy.types import ExitReason, Leg, Market, PairPosition, Side, StrategyState

HOUR = timedelta(hours=1)


def D(value):
    return Decimal(repr(value))


@dataclass
class Held:
    position_id: str
    asset: str
    sign: int
    size: Decimal
    entry: Decimal
    stop: Decimal
    target: Decimal
    entry_fee: Decimal
    mark: Decimal
    funding: Decimal = Decimal(0)


@dataclass
class Books:
    cash: Decimal
    trades: list = field(default_factory=list)
    equity: list = field(default_factory=list)


def backtest(hours, views, bars, settlements, scores, strategy, lag, start, fee_bps, slip_bps, maintenance):
    """Trades as (position_id, asset, contracts, entry, exit, reason, funding, fees) and hourly equity, all Decimal."""
    with localcontext() as context:
        context.prec = 40
        return _loop(
            hours, views, bars, settlements, scores, strategy, lag,
            D(start), D(fee_bps) / 10000, D(slip_bps) / 10000, D(maintenance),
        )  # fmt: skip


def _loop(hours, views, bars, settlements, scores, strategy, lag, start, fee, slip, maintenance):
    books, held, decision, leaving = Books(start), None, None, None
    state = StrategyState(available_usdt=float(start))
    contracts = {}

    def close(reference, reason):
        nonlocal held, state, leaving
        price = reference * (1 - held.sign * slip)
        profit = held.sign * held.size * (price - held.entry)
        paid = held.size * price * fee
        books.cash += profit - paid
        books.trades.append(
            (held.position_id, held.asset, contracts[held.position_id], held.entry, price, reason,
             held.funding, held.entry_fee + paid)
        )  # fmt: skip
        state = with_closed(state, held.position_id)
        held = leaving = None

    for hour in hours:
        # 1. what was decided an hour ago is filled at the open of this bar
        if decision is not None and decision.exits:
            leaving = decision.exits[0].reason
        if leaving is not None and held is not None and hour in bars[held.asset]:
            close(D(bars[held.asset][hour][0]), leaving)
        if decision is not None and decision.entries:
            entry = decision.entries[0]
            order = entry.legs[0]
            if held is None and hour in bars[order.asset]:
                spec = views[hour - HOUR][order.asset].spec
                sign = 1 if order.side == Side.BUY else -1
                price = D(bars[order.asset][hour][0]) * (1 + sign * slip)
                size = order.contracts * spec.ct_val
                cost = size * price * fee
                if size * price + cost <= books.cash:
                    stop, target = _levels(order.stops, sign, price, spec.tick_sz)
                    books.cash -= cost
                    held = Held(entry.position_id, order.asset, sign, size, price, stop, target, cost,
                                D(bars[order.asset][hour][0]))  # fmt: skip
                    contracts[entry.position_id] = order.contracts
                    leg = Leg(order.asset, order.side, order.contracts, float(price), float(stop), float(target))
                    state = with_opened(state, PairPosition(
                        entry.position_id, entry.pair, entry.direction, (leg,), hour - HOUR, entry.z, entry.score,
                        entry.z,
                    ))  # fmt: skip
        # 2. the venue's triggers inside the bar, the adverse one first
        if held is not None and hour in bars[held.asset]:
            o, high, low, c = (D(value) for value in bars[held.asset][hour])
            # the price at which cash + unrealised profit equals the maintenance margin
            dead = (held.sign * held.size * held.entry - books.cash) / (held.size * (held.sign - maintenance))
            level, why = held.stop, ExitReason.STOP_LOSS
            if dead > 0 and ((held.sign > 0 and dead > held.stop) or (held.sign < 0 and dead < held.stop)):
                level, why = dead, ExitReason.LIQUIDATION
            if held.sign > 0:
                if o <= level:
                    close(o, why)
                elif o >= held.target:
                    close(o, ExitReason.TAKE_PROFIT)
                elif low <= level:
                    close(level, why)
                elif high >= held.target:
                    close(held.target, ExitReason.TAKE_PROFIT)
            elif o >= level:
                close(o, why)
            elif o <= held.target:
                close(o, ExitReason.TAKE_PROFIT)
            elif high >= level:
                close(level, why)
            elif low <= held.target:
                close(held.target, ExitReason.TAKE_PROFIT)
            if held is not None:
                held.mark = c
        # 3. funding settled by the end of the bar, on what is still held
        if held is not None:
            for time, rate in settlements.get(held.asset, ()):
                if hour - HOUR < time <= hour:
                    payment = held.sign * held.size * held.mark * D(rate)
                    held.funding += payment
                    books.cash -= payment
        # 4. mark, then decide
        value = books.cash + (held.sign * held.size * (held.mark - held.entry) if held is not None else 0)
        books.equity.append(value)
        free = max(value - (held.size * held.mark if held is not None else 0), Decimal(0))
        scored = scores.get(hour)
        market = Market(hour + lag, hour, dict(views.get(hour, {})), scored.correlations if scored else {})
        decision = decide(replace(state, available_usdt=float(free)), scored.scores if scored else (), market, strategy)
        state = decision.state
    if held is not None:
        close(held.mark, ExitReason.END)
        books.equity[-1] = books.cash
    return books


def _levels(rule, sign, price, tick):
    if rule.stop_distance is None:
        stop, target = D(rule.stop_default), D(rule.target_default)
    else:
        stop = _between(D(rule.stop_distance) / price, rule.stop_bounds)
        target = _between(D(rule.target_distance) / price, rule.target_bounds)
    return _on_tick(price * (1 - sign * stop), tick), _on_tick(price * (1 + sign * target), tick)


def _between(value, bounds):
    return min(max(value, D(bounds[0])), D(bounds[1]))


def _on_tick(price, tick):
    return (price / tick).quantize(Decimal(1), rounding=ROUND_HALF_UP) * tick
