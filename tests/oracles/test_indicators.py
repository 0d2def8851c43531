from __future__ import annotations

import pytest

from tests.oracles.indicators import CHANGE_5_OF_TA, PRICES, STRENGTH_5_OF_TA, rate_of_change, strength_index


@pytest.mark.parametrize(
    ("ours", "recorded"),
    [(strength_index(PRICES, 5), STRENGTH_5_OF_TA), (rate_of_change(PRICES, 5), CHANGE_5_OF_TA)],
)
def test_the_oracle_says_what_the_published_library_said(ours, recorded):
    assert [value is None for value in ours] == [value is None for value in recorded]
    known = [(mine, theirs) for mine, theirs in zip(ours, recorded, strict=True) if mine is not None]
    assert len(known) > 15
    assert all(mine == pytest.approx(theirs, abs=1e-9) for mine, theirs in known)
