"""A backtester in exact decimals, written as one loop over hours that can be followed by hand.

It shares with the code under test only the decision function, which both are handed, and the record types.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

from pairity.strategy.lifecycle import decide, with_closed, with_opened
from pairity.strategy.types import Action, ExitReason, Leg, MarketView, PairPosition, Side, StrategyState

HOUR = timedelta(hours=1)


def D(value):
    return Decimal(repr(value))


@dataclass
class Trade:
    position_id: str
    leg: int
    asset: str
    side: str
    contracts: Decimal
    opened_at: object
    closed_at: object
    entry: Decimal
    exit: Decimal
    reason: str
    funding: Decimal
    fees: Decimal


@dataclass
class Books:
    cash: Decimal
    trades: list = field(default_factory=list)
    equity: list = field(default_factory=list)
    unfilled: int = 0


@dataclass
class HeldLeg:
    """One leg."""

    position_id: str
    leg: int
    asset: str
    sign: int
    contracts: Decimal
    size: Decimal
    entry: Decimal
    stop: Decimal
    target: Decimal
    fees: Decimal
    mark: Decimal
    opened_at: object
    broken: bool
    funding: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)


def backtest(history, scores, strategy, lag, terms):
    """Trades by leg and hourly equity of the core's strategy, all Decimal."""
    return backtest_of(
        lambda state, lines, market: decide(state, lines, market, strategy), True, history, scores, lag, terms
    )


def backtest_of(choose, protected, history, scores, lag, terms):
    """The same of any decision function (state, scores, market); stops only where `protected`."""
    with localcontext() as context:
        context.prec = 40
        return _loop(history, scores, choose, protected, lag, terms)


def _loop(history, scores, choose, protected, lag, terms):
    fee, maker = D(terms.taker_fee_bps) / 10000, D(terms.maker_fee_bps) / 10000
    slip, need = D(terms.slippage_bps) / 10000, D(terms.maintenance_rate) + D(terms.taker_fee_bps) / 10000
    limits = terms.fill_model == "limit_maker"
    isolated = terms.margin_mode == "isolated"
    books = Books(D(terms.initial_equity))
    state = StrategyState(available_usdt=terms.initial_equity)
    held, waiting, decision = [], {}, None

    def bar(asset, hour):
        found = history.bars.get(asset, {}).get(hour)
        return None if found is None else [D(value) for value in found]

    def equity():
        return books.cash + sum(x.sign * x.size * (x.mark - x.entry) for x in held)

    def gross():
        return sum((x.size * x.mark for x in held), Decimal(0))

    def spare_money():
        if isolated:
            return max(books.cash - sum(x.margin for x in held), Decimal(0))
        return max(equity() - gross() / terms.leverage, Decimal(0))

    def close(x, reference, at, reason):
        nonlocal state
        price = reference * (1 - x.sign * slip)
        if isolated and x.margin + x.sign * x.size * (price - x.entry) - x.size * price * fee < 0:
            # not below nothing: the price at which margin, profit and fee come to zero
            price = (x.entry - x.sign * x.margin / x.size) / (1 - x.sign * fee)
        books.cash += x.sign * x.size * (price - x.entry) - x.size * price * fee
        held.remove(x)
        books.trades.append(
            Trade(
                position_id=x.position_id,
                leg=x.leg,
                asset=x.asset,
                side="buy" if x.sign > 0 else "sell",
                contracts=x.contracts,
                opened_at=x.opened_at,
                closed_at=at,
                entry=x.entry,
                exit=price,
                reason=reason,
                funding=x.funding,
                fees=x.fees + x.size * price * fee,
            )
        )
        rest = [y for y in held if y.position_id == x.position_id]
        for y in rest:
            y.broken = True
        if not rest:
            state = with_closed(state, x.position_id)

    for hour in history.hours:
        # 1. what was decided an hour ago: exits at the open, all legs or none
        for leave in decision.exits if decision else ():
            waiting.setdefault(leave.position_id, leave.reason)
        for position_id in list(waiting):
            legs = [x for x in held if x.position_id == position_id]
            if all(bar(x.asset, hour) for x in legs):
                for x in legs:
                    close(x, bar(x.asset, hour)[0], hour - HOUR, waiting[position_id])
                del waiting[position_id]
        # then entries
        blocked = bool(waiting) and decision is not None and decision.action != Action.REBALANCE
        for entry in decision.entries if decision else ():
            new = []
            for number, order in enumerate(entry.legs):
                now, sign = bar(order.asset, hour), 1 if order.side == Side.BUY else -1
                if now is None:
                    continue
                reference = D(order.reference_price) if limits else now[0]
                if limits and not (now[2] < reference if sign > 0 else now[1] > reference):
                    continue
                price = reference if limits else reference * (1 + sign * slip)
                spec = history.views[hour - HOUR][order.asset].spec
                size = order.contracts * spec.ct_val
                stop, target = _levels(order.stops, sign, price, spec.tick_sz) if protected else (None, None)
                new.append(
                    HeldLeg(
                        position_id=entry.position_id,
                        leg=number,
                        asset=order.asset,
                        sign=sign,
                        contracts=order.contracts,
                        size=size,
                        entry=price,
                        stop=stop,
                        target=target,
                        fees=size * price * (maker if limits else fee),
                        mark=reference,
                        opened_at=hour - HOUR,
                        broken=False,
                        margin=size * price / terms.leverage if isolated else Decimal(0),
                    )
                )
            bars_there = all(bar(order.asset, hour) for order in entry.legs)
            free = spare_money()
            cost = sum(x.size * x.entry / terms.leverage + x.fees for x in new)
            if len(new) < len(entry.legs) or cost > free or blocked:
                books.unfilled += 1
            if not new or not bars_there or cost > free or blocked:
                continue
            for x in new:
                x.broken = len(new) < len(entry.legs)
                books.cash -= x.fees
            held += new
            legs = tuple(
                Leg(
                    asset=x.asset,
                    side=Side.BUY if x.sign > 0 else Side.SELL,
                    contracts=x.contracts,
                    entry_price=float(x.entry),
                )
                for x in new
            )
            state = with_opened(
                state,
                PairPosition(
                    position_id=entry.position_id,
                    pair=entry.pair,
                    direction=entry.direction,
                    legs=legs,
                    opened_at=hour - HOUR,
                    entry_z=entry.z,
                    entry_score=entry.score,
                    last_z=entry.z,
                ),
            )
        # 2. the venue's triggers inside the bar: each leg by itself, all others standing at their last closes
        events = []
        spare = equity() - need * gross()
        for x in held:
            now = bar(x.asset, hour)
            if now is None:
                continue
            # with this leg's own part taken out: rest + sign·size·(p − entry) = need·size·p
            rest = spare - x.sign * x.size * (x.mark - x.entry) + need * x.size * x.mark
            dead = (x.sign * x.size * x.entry - rest) / (x.size * (x.sign - need))
            if isolated:  # margin + sign·size·(p − entry) = need·size·p
                dead = (x.entry - x.sign * x.margin / x.size) / (1 - x.sign * need)
                if dead > 0 and (now[0] <= dead if x.sign > 0 else now[0] >= dead):
                    events.append((x, now[0], True, ExitReason.LIQUIDATION))
                    continue
            level, why = x.stop, ExitReason.STOP_LOSS
            if dead > 0 and (x.stop is None or (dead > x.stop if x.sign > 0 else dead < x.stop)):
                level, why = dead, ExitReason.LIQUIDATION
            # out of reach, on either side, stands for no level at all
            level = level if level is not None else D(0.0) if x.sign > 0 else Decimal("Infinity")
            may_take = protected and not (limits and x.opened_at == hour - HOUR)
            events.append((x, *_inside(x.sign, now, level, why, x.target, may_take)))
        for x, price, at_open, why in events:
            if price is not None:
                close(x, price, hour - HOUR if at_open else hour, why)
        # 3. the close: marks, then the venue takes all, or what lost its other leg goes
        for x in held:
            now = bar(x.asset, hour)
            x.mark = x.mark if now is None else now[3]
        ruined = not isolated and bool(held) and equity() < need * gross()
        why = ExitReason.LIQUIDATION if ruined else ExitReason.OTHER_LEG
        for x in [x for x in held if ruined or x.broken]:
            if bar(x.asset, hour) is None:
                waiting.setdefault(x.position_id, why)
            else:
                close(x, x.mark, hour, why)
        # 4. funding settled by the end of the bar, on what is still held
        for x in held:
            for time, rate in history.settlements.get(x.asset, ()):
                if hour - HOUR < time <= hour:
                    payment = x.sign * x.size * x.mark * D(rate)
                    x.funding += payment
                    x.margin -= payment if isolated else Decimal(0)
                    books.cash -= payment
        # 5. mark, then decide
        books.equity.append(equity())
        free = spare_money()
        scored = scores.get(hour)
        market = MarketView(hour + lag, hour, dict(history.views.get(hour, {})), scored.correlations if scored else {})
        decision = choose(replace(state, available_usdt=float(free)), scored.scores if scored else (), market)
        state = decision.state
    for x in list(held):
        close(x, x.mark, history.hours[-1], ExitReason.END)
    books.equity[-1] = books.cash
    return books


def _inside(sign, now, level, why, target, may_take):
    """(price or None, at the open?, reason): the open first, then the adverse extreme, then the good one."""
    o, high, low, _ = now
    if sign > 0:
        if o <= level:
            return o, True, why
        if may_take and o >= target:
            return o, True, ExitReason.TAKE_PROFIT
        if low <= level:
            return level, False, why
        if may_take and high >= target:
            return target, False, ExitReason.TAKE_PROFIT
    else:
        if o >= level:
            return o, True, why
        if may_take and o <= target:
            return o, True, ExitReason.TAKE_PROFIT
        if high >= level:
            return level, False, why
        if may_take and low <= target:
            return target, False, ExitReason.TAKE_PROFIT
    return None, False, None


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
