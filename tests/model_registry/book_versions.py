"""Versions that are books, in a registry of their own."""

from __future__ import annotations

from typing import Any

import polars as pl

from model_registry import registry
from model_registry.records import FAMILY_TAG, ModelRef
from model_registry.stored_books import BOOK_FILE, STORED_BOOKS, StoredBook
from pairity.books.account_limits import make_limits
from pairity.layout import Layout
from pairity.settings import Settings
from tests.serving.trading import T0
from training import tracking
from training.run_records import RunRecord


def make_book(settings: Settings, family: str = "trend_carry_book", **changes: Any) -> StoredBook:
    values: dict[str, Any] = {
        "family": STORED_BOOKS[family],
        "limits": make_limits(settings),
        "costs": {"initial_equity_usdt": 100_000.0, "fee_bps": 5.0, "slippage_bps": 1.0, "impact": 1.0},
        "venue": settings.features.venue,
        "universe": settings.universe.assets,
        "code": "c" * 64,
        "registration": None,
    }
    return StoredBook(**{**values, **changes})


def register_book(
    settings: Settings, book: StoredBook | None = None, *, content: bytes | None = None, **tags: str
) -> ModelRef:
    """Register a book (or other bytes as one) as challenger, gate not asked."""
    book = book or make_book(settings)
    layout = Layout.of(settings)
    artifacts = layout.reports / "made_up_book"
    artifacts.mkdir(parents=True, exist_ok=True)
    lineage = {
        "feature_service": "book_features_v1",
        "snapshot_id": "s",
        "code_revision": "c",
        "train_end": T0.isoformat(),
        "universe": ",".join(settings.universe.assets),
        FAMILY_TAG: book.family.name,
        **tags,
    }
    record = RunRecord(
        params={},
        metrics={},
        tags=lineage,
        training_set=pl.DataFrame({"name": ["BTC"], "label": [0.1]}),
        training_digest="f" * 64,
        source=layout.features,
        artifacts=artifacts,
    )
    with tracking.start_run(layout, record) as run_id:
        uri = tracking.log_files(layout, run_id, book.to_files() | ({BOOK_FILE: content} if content else {}))
    return registry.register(settings, run_id, uri, lineage)
