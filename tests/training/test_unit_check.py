"""Features that were not computed again since a redenomination was stored are refused, with the way out."""

from __future__ import annotations

import polars as pl
import pytest

from feature_repo.catalog import EVENT_TIME
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from tests.training.generated import HOUR
from tests.training.published import asset_rows, settings_for
from tests.training.test_redenominated_market import (
    AT,
    BARS,
    FACTOR,
    NAMES,
    NOW,
    STORED,
    as_it_came,
    computed_later,
    entry,
    in_unit,
    market,
    write_hours,
)
from training.backtest_job import run_recorded_backtest
from training.books.study import study_books
from training.data.export import add_labels
from training.data.unit_check import require_one_unit
from training.readiness import require_ready


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """ETH as it is counted today, ever since."""
    return in_unit(asset_rows(settings_for(tmp_path_factory.mktemp("rows"), assets=NAMES), BARS, 1), FACTOR)


@pytest.fixture
def stale(tmp_path, rows):
    """The factor is stored, and nothing was computed since."""
    settings = as_it_came(tmp_path, "both", rows, "not computed again")
    (Layout.of(settings).features / "snapshot.json").write_text('{"snapshot_id": "5"}')
    return settings


def test_what_is_stale_is_named_with_its_hours_and_the_command(stale):
    with pytest.raises(
        MissingDataError, match=r"56 hours of ETH from .* to .* have features in another unit"
    ) as raised:
        require_one_unit(stale)
    assert "pairity features" in raised.value.remedy
    assert f"{AT:%Y-%m-%d %H:%M}" in raised.value.what
    require_one_unit(stale, ["BTC"])


@pytest.mark.parametrize("entrance", ["train", "backtest", "books", "labels"])
def test_nothing_is_learnt_or_tested_on_it(stale, rows, entrance):
    pairs = pl.DataFrame({"pair_id": ["ETH__BTC"], EVENT_TIME: [rows[EVENT_TIME][0]]})
    calls = {
        "train": lambda: require_ready(stale),
        "backtest": lambda: run_recorded_backtest(stale, None, SilentProgress(), now=NOW),
        "books": lambda: study_books(stale, [], SilentProgress(), now=NOW),
        "labels": lambda: add_labels(stale, pairs, None, NOW),
    }
    with pytest.raises(MissingDataError, match="ETH"):
        calls[entrance]()


def test_hours_that_were_left_behind_by_a_run_that_was_killed_are_found(tmp_path, rows):
    seen = in_unit(rows, 1 / FACTOR, AT)
    part = computed_later(rows, AT - 5 * HOUR, STORED + HOUR)
    settings = market(tmp_path, "both", seen, stored=[entry()], versions=[part])
    write_hours(settings, seen)
    with pytest.raises(MissingDataError, match="5 hours of ETH"):
        require_one_unit(settings)


def test_a_factor_that_was_withdrawn_without_computing_again_is_found(tmp_path, rows):
    own = in_unit(rows, 1 / FACTOR)
    wrong = computed_later(rows, AT, STORED + HOUR)
    withdrawn = [entry(), entry(factor=1.0, stored_at=STORED + 2 * HOUR)]
    settings = market(tmp_path, "both", own, stored=withdrawn, versions=[wrong])
    write_hours(settings, own)
    with pytest.raises(MissingDataError, match="56 hours of ETH"):
        require_one_unit(settings)


@pytest.mark.parametrize("how", ["corrected", "corrected twice"])
def test_what_was_computed_again_is_taken(tmp_path, rows, how):
    settings = as_it_came(tmp_path, "both", rows, how)
    write_hours(settings, in_unit(rows, 1 / FACTOR, AT))
    require_one_unit(settings)


def test_a_market_that_falls_by_half_is_no_unit(tmp_path, rows):
    settings = market(tmp_path, "both", rows, stored=[entry()])
    write_hours(settings, in_unit(in_unit(rows, 1 / FACTOR, AT), 0.5))
    require_one_unit(settings)
