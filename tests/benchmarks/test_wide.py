"""The measurement of a wide universe runs, on a small one."""

import pytest

from benchmarks.wide import SMALL, WHOLE, list_names, measure_wide


def test_the_whole_size_is_that_of_hundreds_of_instruments():
    assert (WHOLE.assets, WHOLE.assets * (WHOLE.assets - 1) // 2, WHOLE.pair_days) == (300, 44_850, 30)
    assert len(set(list_names(WHOLE.assets))) == 300


@pytest.mark.slow
def test_every_stage_says_time_memory_and_result():
    text = measure_wide(small=True)
    pairs = SMALL.assets * (SMALL.assets - 1) // 2
    assert f"{SMALL.assets * SMALL.days * 24:,} bars" in text
    assert f"{pairs * SMALL.pair_days * 24:,} of pairs" in text
    assert "10 on the sheet" in text
    assert text.count("\n| ") == 9
