"""The measurement of books of a wide universe runs, on a small one."""

import pytest

from benchmarks.books import SMALL, WHOLE, make_market, measure_books


def test_the_whole_size_is_five_years_of_hundreds_of_names():
    assert WHOLE == (300, 43_800)


def test_the_market_has_listings_delistings_and_contracts():
    panel, specs = make_market(20, 900)
    assert set(specs) == set(panel.names)
    assert (panel.list_last_bars() < 899).sum() == 2
    assert (panel.closes[0] != panel.closes[0]).any()


@pytest.mark.slow
def test_every_stage_says_time_memory_and_result():
    text = measure_books(small=True)
    assert text.count("\n| ") == 12
    assert text.count("vectorbt's equity is the engine's at every hour") == 2
    assert f"{SMALL[0]} made-up names" in text
