"""The lag study by loops over dictionaries, with normal equations solved by elimination."""

import math


def lag_rows(closes, step, horizon, count):
    """[(time, lags, label)] of bars with everything known; `closes`: time → close, `step`: distance of two bars."""
    reach, rows = horizon * step, []
    for time in sorted(closes):
        needed = [time - number * reach for number in range(count + 1)]
        if time + reach in closes and all(at in closes for at in needed):
            lags = [math.log(closes[needed[k]] / closes[needed[k + 1]]) for k in range(count)]
            rows.append((time, lags, math.log(closes[time + reach] / closes[time])))
    return rows


def split(rows, reach, test_share):
    """Training and test rows: the newest share, without training rows whose label reaches into it."""
    cut = math.ceil(len(rows) * (1 - test_share))
    start = rows[cut][0]
    return [row for row in rows if row[0] + reach < start], rows[cut:]


def solve(rows):
    """Intercept and slopes of least squares, by Gaussian elimination on the normal equations."""
    size = len(rows[0][1]) + 1
    table = [[0.0] * (size + 1) for _ in range(size)]
    for _, lags, label in rows:
        x = [1.0, *lags]
        for i in range(size):
            for j in range(size):
                table[i][j] += x[i] * x[j]
            table[i][size] += x[i] * label
    for i in range(size):
        pivot = max(range(i, size), key=lambda row: abs(table[row][i]))
        table[i], table[pivot] = table[pivot], table[i]
        for row in range(size):
            if row != i:
                factor = table[row][i] / table[i][i]
                table[row] = [a - factor * b for a, b in zip(table[row], table[i], strict=True)]
    return [table[i][size] / table[i][i] for i in range(size)]


def trade(rows, test, weights, reach, cost):
    """(wins and losses, gross, net): every `reach` from the first test decision on; flat where anything is missing."""
    by_time = {time: (lags, label) for time, lags, label in rows}
    time, held, gross, net, taken = test[0][0], 0, [], [], []
    while time <= test[-1][0]:
        side, label = 0, 0.0
        if time in by_time:
            lags, label = by_time[time]
            said = weights[0] + sum(w * lag for w, lag in zip(weights[1:], lags, strict=True))
            side = (said > 0) - (said < 0)
        gross.append(side * label)
        net.append(side * label - abs(side - held) * cost)
        if side:
            taken.append(side * label)
        held, time = side, time + reach
    net[-1] -= abs(held) * cost
    return taken, gross, net


def drawdown(returns):
    level = peak = worst = 0.0
    for value in returns:
        level += value
        peak = max(peak, level)
        worst = min(worst, level - peak)
    return 1 - math.exp(worst)
