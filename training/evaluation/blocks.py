"""Moving blocks of hours: how often each hour counts in samples that keep what neighbouring hours remember.

Hours are drawn in unbroken blocks, and a block that runs over the end goes on at the beginning, so that every hour is
as likely as any other (circular block bootstrap: Künsch 1989; Politis & Romano 1992). All rows of a drawn hour come
with it, so that pairs that move together stay together.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pairity.errors import ConfigError

WEEK = 168
"""Hours of a block: the longest window of the features, and longer than a label of 102 hours looks."""
_LEAST_BLOCKS = 5


def choose_block_length(hours: int, reach: int = WEEK) -> int:
    """Return the hours of a block: `reach`, but no more than a fifth of a history of `hours`, and at least 1."""
    return max(1, min(reach, hours // _LEAST_BLOCKS))


@lru_cache(maxsize=4)  # features, contenders and trials of a run have the same hours
def count_drawn_hours(
    hours: int, *, block: int, draws: int, seed: int, wanted: int | None = None
) -> NDArray[np.float64]:
    """Return how often each of `hours` consecutive hours counts in each of `draws` samples: draws × hours.

    A sample has `wanted` hours (default: `hours`), drawn as blocks of `block` hours; the last one is cut to fit. The
    same arguments give the same array, which cannot be written to. ConfigError for a block that is longer than the
    history.
    """
    if not 1 <= block <= hours:
        raise ConfigError(f"blocks of {block} hours cannot be drawn from {hours}", "use a longer history")
    wanted = hours if wanted is None else wanted
    lengths = np.full(-(-wanted // block), block)
    lengths[-1] = wanted - block * (len(lengths) - 1)
    starts = np.random.default_rng(seed).integers(0, hours, (draws, len(lengths)))
    # Each block adds one from its start on and takes it away after its end; what runs over the end begins again at 0
    width = 2 * hours + 1
    line = np.arange(draws)[:, None] * width
    begun, ended = (np.bincount((line + at).ravel(), minlength=draws * width) for at in (starts, starts + lengths))
    running = np.cumsum((begun - ended).reshape(draws, width), axis=1)
    counts: NDArray[np.float64] = (running[:, :hours] + running[:, hours : 2 * hours]).astype(np.float64)
    counts.setflags(write=False)
    return counts
