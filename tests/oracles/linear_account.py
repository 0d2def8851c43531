"""Oracle of an account: cash, profit and positions counted again from its trades, in fractions.

It shares no code with the exchange.
"""

from fractions import Fraction


class LinearAccount:
    """Positions at average cost: opening trades move the average, closing trades realise against it."""

    def __init__(self, cash):
        self.cash = Fraction(cash)
        self.held = {}
        self.average = {}
        self.realized = self.fees = self.funding = Fraction(0)

    def trade(self, name, side, size, price, multiplier, fee_rate):
        """Book one trade, in steps that neither cross zero nor mix opening and closing."""
        left = Fraction(size) * (1 if side == "buy" else -1)
        price, multiplier = Fraction(price), Fraction(multiplier)
        paid = abs(left) * multiplier * price * Fraction(fee_rate)
        self.fees += paid
        self.cash -= paid
        while left:
            have = self.held.get(name, Fraction(0))
            step = left if have * left >= 0 or abs(left) <= abs(have) else -have
            if have * step >= 0:
                cost = self.average.get(name, Fraction(0)) * abs(have) + price * abs(step)
                self.average[name] = cost / (abs(have) + abs(step))
            else:
                profit = (price - self.average[name]) * (1 if have > 0 else -1) * abs(step) * multiplier
                self.realized += profit
                self.cash += profit
            self.held[name] = have + step
            left -= step

    def settle(self, name, mark, rate, multiplier):
        """Book a funding settlement: longs pay the rate on the mark notional."""
        payment = -self.held.get(name, Fraction(0)) * Fraction(multiplier) * Fraction(mark) * Fraction(rate)
        self.funding += payment
        self.cash += payment

    def equity(self, marks, multiplier):
        """Return cash plus what closing everything at the marks would realise."""
        return self.cash + sum(
            (Fraction(marks[name]) - self.average[name]) * size * Fraction(multiplier)
            for name, size in self.held.items()
            if size
        )
