"""The money of a book in exact decimals: targets in, equity out, one order after another. No code of the engine's."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, localcontext

_MAINTENANCE = Decimal("0.004")


class _Money:
    def __init__(self, worth, costs):
        self.cash, self.held, self.marks, self.costs = worth, {}, {}, costs

    def equity(self):
        return self.cash + sum(size * self.marks[name] for name, size in self.held.items())

    def gross(self):
        return sum(abs(size) * self.marks[name] for name, size in self.held.items())

    def move(self, name, wanted, price, fee, slip):
        """`slip`: what an order of a notional gives away. A change of side is two orders."""
        now = self.held.get(name, Decimal(0))
        for step in [Decimal(0), wanted] if now * wanted < 0 else [wanted]:
            change = step - self.held.get(name, Decimal(0))
            if change:
                lost = slip(abs(change) * price)
                paid = price * (1 + lost) if change > 0 else price * (1 - lost)
                self.cash -= change * paid + abs(change) * paid * fee
                self.held[name], self.marks[name] = step, price
        if self.held.get(name) == 0:
            del self.held[name]


def trade_plan(market, plan, *, first, band, worth, lot, fee, slip, impact=0.0, maker=None, delay=0):
    """Return the equity after every hour from `first` on.

    `plan`: (hour, weights by name, hourly volatilities by name). Fees and slippage are fractions; `maker`: fee of limit
    orders, which go first then. Also returns how many limit orders were reached and missed.
    """
    with localcontext() as context:
        context.prec = 60
        band, worth, lot, fee, slip, impact = (Decimal(repr(x)) for x in (band, worth, lot, fee, slip, impact))
        maker = None if maker is None else Decimal(repr(maker))
        return _trade(market, plan, first, band, worth, lot, fee, slip, impact, maker, delay)


def _trade(market, plan, first, band, worth, lot, fee, slip, impact, maker, delay):
    hours = len(next(iter(market["close"].values())))
    last = {name: max(i for i, c in enumerate(closes) if c is not None) for name, closes in market["close"].items()}
    money, due, orders, curve, reached, missed = _Money(worth, fee), {one[0]: one for one in plan}, {}, [], 0, 0

    def price(kind, name, hour):
        value = market[kind][name][hour]
        return None if value is None else Decimal(value)

    def slips(name, volatility, before):
        traded = (price("close", name, before) or 0) * (price("volume", name, before) or 0)

        def lose(notional):
            strain = (notional / traded).sqrt() if traded and volatility else Decimal(0)
            return slip + impact * Decimal(volatility or 0) * strain

        return lose

    for hour in range(first, hours):
        late = []
        for name, wanted, volatility in orders.pop(hour, []):
            limit = price("close", name, hour - 1)
            if price("open", name, hour) is None:
                continue
            if maker is None:
                money.move(name, wanted, price("open", name, hour), fee, slips(name, volatility, hour - 1))
            elif wanted != money.held.get(name, 0):
                buys = wanted > money.held.get(name, 0)
                beyond = limit is not None and (
                    price("low", name, hour) < limit if buys else price("high", name, hour) > limit
                )
                if beyond:
                    money.move(name, wanted, limit, maker, lambda _: Decimal(0))
                    reached += 1
                else:
                    late.append((name, wanted, volatility))
                    missed += 1
        for name, size in money.held.items():
            money.marks[name] = price("close", name, hour) or money.marks[name]
            money.cash -= size * money.marks[name] * Decimal(market["funding"][name].get(hour, 0.0))
        if money.held and money.equity() < (_MAINTENANCE + fee + slip) * money.gross():
            left = money.cash
            for name, size in money.held.items():
                paid = money.marks[name] * (1 - slip if size > 0 else 1 + slip)
                left += size * paid - abs(size) * paid * fee
            money.cash, money.held, orders, late = max(left, Decimal(0)), {}, {}, []
        for name in sorted(money.held):
            if hour in (last[name], hours - 1):
                money.move(name, Decimal(0), money.marks[name], fee, lambda _: slip)
        for name, wanted, volatility in late:
            if hour < last[name] and hour < hours - 1:
                money.move(name, wanted, price("close", name, hour), fee, slips(name, volatility, hour))
        equity = money.equity()
        curve.append(equity)
        if hour in due:
            _, weights, volatilities = due[hour]
            book = []
            for name in sorted({*weights, *money.held}):
                if name in money.held and name not in volatilities:
                    continue  # nothing is known of it at this close: it stays
                target = Decimal(weights.get(name, 0.0))
                now = money.held.get(name, Decimal(0)) * money.marks.get(name, 0) / equity if equity else Decimal(0)
                close = price("close", name, hour)
                if target == 0 or target * now < 0 or abs(target - now) >= band:
                    lots = (abs(target) * equity / close / lot).to_integral_value(ROUND_FLOOR) if close else Decimal(0)
                    book.append((name, (lots * lot).copy_sign(target), volatilities.get(name)))
            orders[hour + 1 + delay] = book
    return curve, reached, missed
