"""Oracle of matching: one lot at a time against rows as the public endpoints show them, in fractions.

It shares no code with the exchange: books and trades are what a client would read.
"""

from fractions import Fraction


def walk_book(rows, side, size, limit, lot):
    """[(price, contracts)] that a taker of `size` gets from the opposite rows [[price, contracts, …], …], best first.

    `limit` None takes any price. Each lot goes to the best price that has a lot left.
    """
    lot = Fraction(lot)
    levels = [[Fraction(row[0]), Fraction(row[1]) // lot] for row in rows]
    got = {}
    for _ in range(int(Fraction(size) / lot)):
        for level in levels:
            dearer = limit is not None and (level[0] > limit if side == "buy" else level[0] < limit)
            if level[1] and not dearer:
                level[1] -= 1
                got[level[0]] = got.get(level[0], 0) + lot
                break
    return sorted(got.items(), reverse=side == "sell")


def queue_trades(trades, orders, lot):
    """Contracts that each resting order gets from a bar's trades [(time, price, contracts), …].

    `orders` are (name, side, price, contracts, resting since), the older before the newer. Lot by lot, in the order of
    the orders' prices: a lot of a trade goes to an order if the trade printed beyond its price after it began to rest.
    """
    lots = [[Fraction(contracts) // Fraction(lot), at, Fraction(price)] for at, price, contracts in trades]
    got = {order[0]: Fraction(0) for order in orders}
    for side, best_first in (("buy", -1), ("sell", 1)):
        mine = [order for order in orders if order[1] == side]
        for name, _, price, contracts, since in sorted(mine, key=lambda order: best_first * Fraction(order[2])):
            for row in lots:
                beyond = row[2] < Fraction(price) if side == "buy" else row[2] > Fraction(price)
                while beyond and row[1] > since and row[0] >= 1 and got[name] + Fraction(lot) <= Fraction(contracts):
                    row[0] -= 1
                    got[name] += Fraction(lot)
    return got
