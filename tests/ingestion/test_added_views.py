"""A data directory of an earlier release gets what the catalogue of this one declares besides."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from feature_repo.catalog import VIEWS
from ingestion import due_months
from ingestion.due_months import MonthLedger, digest_catalogue
from tests.ingestion.injected import UNTIL, Run
from tests.ingestion.test_redenominating import publish

ALL = tuple(VIEWS.values())


def changed(name, **values):
    return tuple(replace(view, **values) if view.name == name else view for view in ALL)


def test_a_view_that_an_earlier_release_did_not_have_is_made_by_the_next_run(tmp_path, monkeypatch):
    run = Run(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setattr(due_months, "VIEWS", {name: view for name, view in VIEWS.items() if name != "asset_books"})
        run.ingest()
    whole = {name: run.view(name) for name in VIEWS}
    assert whole["asset_books"].height > 0
    shutil.rmtree(run.layout.features / "asset_books")
    assert len(MonthLedger(run.layout).list_due(run.settings, run.lake, UNTIL)) == 1
    publish(run)
    for name, rows in whole.items():
        left = ("created_timestamp",) if name == "asset_books" else ()  # its rows are known from now on
        assert run.view(name).drop(left).equals(rows.drop(left)), name
    assert MonthLedger(run.layout).list_due(run.settings, run.lake, UNTIL) == ()


@pytest.mark.parametrize(
    "views",
    [
        ALL[1:],
        changed("pair_hourly", features=VIEWS["pair_hourly"].features[:-1]),
        changed("pair_hourly", features=tuple(reversed(VIEWS["pair_hourly"].features))),
        changed("pair_hourly", lookback=VIEWS["pair_hourly"].lookback * 2),
        changed("pair_hourly", inputs=("candles_1h",)),
        changed(
            "asset_lags",
            features=(replace(VIEWS["asset_lags"].features[0], formula="another"), *VIEWS["asset_lags"].features[1:]),
        ),
    ],
)
def test_what_is_declared_otherwise_is_another_input(views):
    assert digest_catalogue(views) != digest_catalogue(ALL)


def test_words_that_describe_a_view_and_the_order_of_views_change_no_row():
    assert digest_catalogue(changed("pair_hourly", description="in other words")) == digest_catalogue(ALL)
    assert digest_catalogue(tuple(reversed(ALL))) == digest_catalogue(ALL)
