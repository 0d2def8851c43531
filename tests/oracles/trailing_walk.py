"""A trailing stop followed price by price: the prices of every bar written out in the order in which they are taken."""


def walk(side, bars, ratio=None, spread=None, active=None, last=None):
    """(bar number, price) where the stop is met, or None. `bars` are (open, high, low, close).

    Within a bar: open, then the adverse extreme, then the favourable one, then the close. A price met at the open is
    the open; met between two prices of a bar it is the trigger.
    """
    sell = side == "sell"
    best = last if active is None else None

    def trigger():
        if best is None:
            return None
        if sell:
            return best - spread if spread is not None else best * (1 - ratio)
        return best + spread if spread is not None else best * (1 + ratio)

    for number, (opened, high, low, closed) in enumerate(bars):
        adverse, favourable = (low, high) if sell else (high, low)
        for place, price in enumerate((opened, adverse, favourable, closed)):
            level = trigger()
            if level is not None and (price <= level if sell else price >= level):
                return number, price if place == 0 else level
            reached = active is None or (price >= active if sell else price <= active)
            if best is None and reached:
                best = price
            elif best is not None:
                best = max(best, price) if sell else min(best, price)
    return None
