"""Small real boosters with every kind of split, and their text taken apart and changed."""

from __future__ import annotations

from functools import lru_cache

import lightgbm
import numpy as np
import pandas as pd

from model_registry.lightgbm_text import cut_text

FEATURES = ("z_score", "base_asset", "quote_asset", "volatility")
ASSETS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOT")


@lru_cache
def inputs(rows=1500):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "z_score": rng.normal(size=rows),
            "base_asset": rng.integers(0, len(ASSETS), rows),
            "quote_asset": rng.integers(0, len(ASSETS), rows),
            "volatility": rng.normal(size=rows),
        }
    )
    frame.loc[::5, "volatility"] = np.nan
    frame.loc[::9, "z_score"] = 0.0
    return frame


@lru_cache
def booster(rounds=30, leaves=15, **more):
    """A booster whose splits are numeric, by category, by missing value, and by nothing but a value being there."""
    frame = inputs()
    rng = np.random.default_rng(1)
    score = frame["z_score"] + 2 * (frame["base_asset"] % 3 == 2) + frame["volatility"].isna() + rng.normal(size=1500)
    data = lightgbm.Dataset(
        frame, label=(score > 0.8).astype(int), categorical_feature=["base_asset", "quote_asset"], free_raw_data=False
    )
    parameters = {
        "objective": "binary",
        "learning_rate": 0.1,
        "num_leaves": leaves,
        "min_data_in_leaf": 20,
        "verbosity": -1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": 1,
    }
    return lightgbm.train(parameters | more, data, num_boost_round=rounds)


def text(**options):
    """What is stored of a booster."""
    return cut_text(booster(**options).model_to_string())


def change_line(content, name, change, tree=0):
    """Change the values of one line of one tree, and correct the size that the header says of that tree."""
    before = content.split(b"\n")
    at = [place for place, line in enumerate(before) if line.startswith(f"{name}=".encode())]
    place = at[min(tree, len(at) - 1)]
    values = before[place].split(b"=", 1)[1].split(b" ")
    before[place] = name.encode() + b"=" + b" ".join(change(values))
    return with_sizes(b"\n".join(before))


def with_sizes(content):
    """Let the header say the true size of each tree."""
    head, *blocks = content.split(b"Tree=")
    if not blocks:
        return content
    blocks[-1] = blocks[-1].split(b"end of trees")[0]
    sizes = b" ".join(str(len(block) + 5).encode() for block in blocks)
    lines = [b"tree_sizes=" + sizes if line.startswith(b"tree_sizes=") else line for line in head.split(b"\n")]
    return content.replace(head, b"\n".join(lines), 1)
