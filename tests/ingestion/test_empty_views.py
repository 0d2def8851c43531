"""Views without rows are named, each with what it lacks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import VIEWS
from feature_repo.raw_datasets import DATASETS
from ingestion.empty_views import explain_empty_views
from ingestion.lake import Lake
from pairity.layout import Layout
from pairity_cli.main import main
from tests.feature_repo.transforms.markets import candles

START = datetime(2025, 3, 30, tzinfo=UTC)


def store_hours(home: Path, venue: str, hours: int = 48) -> Lake:
    lake = Lake(Layout(home), venue=venue, durable=False)
    rows = candles(("BTC", "ETH"), hours, start=START, seed=2)
    with lake.writing():
        for name in ("BTC", "ETH"):
            own = rows.filter(pl.col("asset") == name).drop("asset")
            lake.write("candles_1h", name, DATASETS["candles_1h"].conform(own))
    return lake


@pytest.mark.parametrize(
    ("venue", "command"),
    [("okx", "`pairity ingest`"), ("binance_um", "`pairity collect --source binance-archive --datasets candles_1m`")],
)
def test_a_view_of_minutes_says_that_there_are_none(tmp_path: Path, venue: str, command: str) -> None:
    lake = store_hours(tmp_path, venue)
    reasons = {item.view: item.reason for item in explain_empty_views(Layout(tmp_path), lake)}
    assert set(reasons) == set(VIEWS)
    for name in ("asset_risk_buckets", "asset_exposures", "factor_returns"):
        assert reasons[name] == f"made of candles_1m, of which nothing of {venue} is stored: {command}"
    assert "candles_1h are too few" in reasons["pair_hourly"]


def test_features_says_why_a_view_has_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", '["BTC","ETH"]')
    store_hours(tmp_path / "home", "okx")
    shown = CliRunner().invoke(main, ["features"])
    assert shown.exit_code == 0, shown.output
    assert "asset_exposures has no rows: made of candles_1m, of which nothing of okx is stored" in shown.output
    assert "asset_hourly has no rows" not in shown.output
    assert "pair_hourly has no rows: the stored candles_1h are too few, or withheld" in shown.output
