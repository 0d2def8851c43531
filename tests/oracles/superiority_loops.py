"""Superior predictive ability and stepwise tests with loops, draws of their own, and the kernel's variance."""

import math
import random


def draw(rng, hours, block):
    """Hours of one draw of the stationary bootstrap."""
    chosen = [rng.randrange(hours)]
    while len(chosen) < hours:
        chosen.append(rng.randrange(hours) if rng.random() < 1 / block else (chosen[-1] + 1) % hours)
    return chosen


def variance(values, block):
    """Variance of √T·mean under the stationary bootstrap, in closed form (Politis & Romano 1994, lemma 1)."""
    count, mean = len(values), sum(values) / len(values)
    centred = [value - mean for value in values]
    total = sum(v * v for v in centred) / count
    for lag in range(1, min(count, 12 * block)):
        kernel = (count - lag) / count * (1 - 1 / block) ** lag + lag / count * (1 - 1 / block) ** (count - lag)
        total += 2 * kernel * _lagged(centred, lag)
    return total


def _lagged(centred, lag):
    return sum(a * b for a, b in zip(centred, centred[lag:], strict=False)) / len(centred)


def test(columns, block, draws, seed):
    """Return Hansen's p-value and Romano and Wolf's, `columns` being lists of returns."""
    rng = random.Random(seed)
    hours = len(columns[0])
    means = [sum(column) / hours for column in columns]
    scales = [math.sqrt(variance(column, block)) for column in columns]
    scores = [math.sqrt(hours) * mean / scale for mean, scale in zip(means, scales, strict=True)]
    limit = -math.sqrt(2 * math.log(math.log(hours)))
    worst = range(len(columns))
    best_hits, hits = 0, [0] * len(columns)
    ranked = sorted(worst, key=lambda k: -scores[k])
    for _ in range(draws):
        chosen = draw(rng, hours, block)
        noise = [
            math.sqrt(hours) * (sum(column[i] for i in chosen) / hours - mean) / scale
            for column, mean, scale in zip(columns, means, scales, strict=True)
        ]
        shifted = [noise[k] + (scores[k] if scores[k] < limit else 0.0) for k in worst]
        best_hits += max([0.0, *shifted]) >= max([0.0, *scores])
        for rank, trial in enumerate(ranked):
            hits[trial] += max(noise[k] for k in ranked[rank:]) >= scores[trial]
    adjusted, highest = [1.0] * len(columns), 0.0
    for trial in ranked:
        highest = max(highest, hits[trial] / draws)
        adjusted[trial] = highest
    return best_hits / draws, adjusted
