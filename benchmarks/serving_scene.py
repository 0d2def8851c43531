"""The scene of a measurement of the trading process: a synthetic market, its history, and a model that trades.

Everything is the product's own: a paper exchange in a process of its own, the batch pipeline for the history, the
registry for the model.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.model_matrix import build_model_matrix
from feature_repo.offline_files import read_latest_view
from ingestion.pipeline import ingest
from model_registry import registry
from pairity.configuration import load_settings
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import DAY, month_start
from pairity_cli.demo.exchange import DemoExchange
from training import tracking
from training.models import pair_forest
from training.run_records import RunRecord
from venue.clock import clock_for

SEED = 11
TRADING = datetime(2026, 1, 20, tzinfo=UTC)
"""First traded hour: late enough in its month that the month so far is no trifle."""
LOOKBACK = max(ASSET_HOURLY.lookback, PAIR_HOURLY.lookback)
_MARKET_DAYS = (TRADING - month_start(TRADING) + LOOKBACK) // DAY + 2
_MODEL_ROWS = 6_000
POSITIONS = 3
"""Positions that may be held at once."""
_WATCH_S = 300.0
"""Seconds between two looks: each steps the exchange's clock."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a measurement takes place: the data directory and the exchange."""

    home: str
    url: str
    control_url: str
    assets: tuple[str, ...]

    @classmethod
    def of(cls, home: Path, exchange: DemoExchange) -> Scene:
        """Return the scene of all assets of an exchange."""
        listed = tuple(name.removesuffix("-USDT-SWAP") for name in exchange.instruments)
        return cls(str(home), exchange.url, exchange.control_url, listed)

    @property
    def settings(self) -> Settings:
        """Settings of the product for this scene: two legs, three positions at once, and the watch between decisions.

        Everything else is as it is by default. Entries and exits are easy: many hours have orders, and none earns much.
        """
        return load_settings(
            home=Path(self.home),
            universe={"assets": tuple(self.assets)},
            exchange={
                "url": self.url,
                "control_url": self.control_url,
                "api_key": "paper",
                "api_secret": "paper",
                "api_passphrase": "paper",
                "rate_limit": False,
            },
            strategy={
                "legs": "both",
                "max_concurrent_positions": POSITIONS,
                "z_entry": 1.0,
                "exit_z": 0.9,
                "probability_min": 0.3,
            },
            serve={"port": 0, "watch_stepped": True, "watch_s": _WATCH_S},
            parity={"daily": False},  # a job of its own, and made-up decisions of before have no parity
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `Scene(**…)` takes."""
        return asdict(self)


def list_exchange_options(assets: int) -> list[str]:
    """Return the options of a paper exchange that stands at the first traded hour, with history enough before it."""
    return ["--assets", str(assets), "--history", str(_MARKET_DAYS), "--start", TRADING.isoformat(), "--balance", "1e5"]


def prepare(scene: dict[str, Any]) -> float:
    """Fill the data directory with the history of the current month and its lookback, and register a model.

    Returns the seconds that the batch pipeline took.
    """
    settings = Scene(**scene).settings

    async def fill() -> float:
        clock = await clock_for(settings.exchange)
        report = await ingest(settings, month_start(TRADING) - LOOKBACK, TRADING, clock=clock)
        assert report.ok, report.failures[:3] or report.quarantined[:3]
        return sum(report.stage_seconds.values())

    seconds = asyncio.run(fill())
    register_model(settings)
    return seconds


def register_model(settings: Settings) -> None:
    """Fit the reference forest on published rows with made-up labels, and make it the champion.

    The labels let it say yes to about half of the pairs whose spread is far from its mean: it trades.
    """
    layout = Layout.of(settings)
    rows = read_latest_view(layout, PAIR_HOURLY, TRADING - 10 * DAY, TRADING).drop_nulls("z_score")
    rows = rows.sample(min(_MODEL_ROWS, rows.height), seed=SEED, shuffle=True).sort("pair_id", EVENT_TIME)
    noise = np.random.default_rng(SEED).normal(0, 1.0, rows.height)
    labels = (np.abs(rows["z_score"].to_numpy()) + noise > 1.0).astype(np.int64)
    matrix = build_model_matrix(rows, PAIR_FOREST_FEATURES)
    pipeline = pair_forest.fit_pipeline(matrix, labels, settings.universe.assets, settings.model, fit_threads=1)
    lineage = {
        "feature_service": PAIR_FOREST_FEATURES.name,
        "snapshot_id": "benchmark",
        "code_revision": "benchmark",
        "train_end": TRADING.isoformat(),
        "universe": ",".join(settings.universe.assets),
    }
    files = layout.reports / "benchmark"
    files.mkdir(parents=True, exist_ok=True)
    record = RunRecord(
        params={},
        metrics={},
        tags=lineage,
        training_set=pl.DataFrame({"pair_id": rows["pair_id"], "label": labels}),
        training_digest="0" * 64,
        source=layout.features,
        artifacts=files,
    )
    with tracking.start_run(layout, record) as run_id:
        uri = tracking.log_forest(layout, pipeline, matrix.head(3))
    model = registry.register(settings, run_id, uri, lineage)
    registry.promote(settings, model.version, "a benchmark", TRADING)
