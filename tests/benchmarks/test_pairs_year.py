"""The training set in parts is that of the product in one piece; the stages run on a small universe."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from benchmarks.pairs_year import ASSETS, DAYS, SMALL_ASSETS, START, build_parts, measure_pairs
from benchmarks.wide import collect_year, make_files, make_settings, publish
from feature_repo.catalog import PAIR_FOREST_FEATURES
from pairity.timeline import DAY, to_ms
from training.data.history import make_store_join
from training.data.training_sets import build_training_set


def test_the_largest_size_is_that_of_a_hundred_instruments_and_a_year():
    assert [count * (count - 1) // 2 for count in ASSETS] == [45, 435, 1_225, 4_950]
    assert DAYS == 365


@pytest.mark.slow
def test_parts_are_the_training_set_of_one_piece(tmp_path: Path):
    until = START + 20 * DAY
    year = (to_ms(START), to_ms(until), 4)
    make_files(str(tmp_path), *year)()
    collect_year(str(tmp_path), "year", *year)()
    publish(str(tmp_path), "year", *year, True)()
    parts = list(build_parts(str(tmp_path), "year", START, until, 4, most_rows=6 * 150))
    settings = make_settings(str(tmp_path), "year", 4, all_pairs=True)
    whole = build_training_set(settings, PAIR_FOREST_FEATURES, make_store_join(settings), until + 5 * DAY)
    assert len(parts) == 4
    assert pl.concat(parts).equals(whole.rows)
    assert whole.rows["label"].null_count() < whole.rows.height


@pytest.mark.slow
def test_every_stage_says_time_memory_and_result():
    text = measure_pairs(small=True)
    assert text.count("| training set, hourly labels |") == len(SMALL_ASSETS) + 1
    assert text.count("| features with all pairs |") == len(SMALL_ASSETS) + 1
