"""Dead hours of one instrument, found by walking through its tape."""


def dead_hours(tape, limit):
    """Places of the dead hours of a tape of (price, volume), None where there is no bar; all four prices are equal."""
    dead, still, price = set(), 0, None
    for place, bar in enumerate(tape):
        if bar is None:
            still, price = 0, None
            continue
        quiet = price is not None and bar[0] == price and bar[1] == 0
        still = still + 1 if quiet else 0
        price = bar[0]
        if still >= limit:
            dead.add(place)
    return dead
