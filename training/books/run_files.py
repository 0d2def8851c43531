"""Files of a training of a book for people, its run in MLflow, and its version in the registry."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from feature_repo.catalog import ASSET_BOOKS, BOOK_FEATURES
from model_registry.records import FAMILY_TAG, ModelRef
from model_registry.registry import register
from model_registry.stored_books import BOOK_FILE, StoredBook, StoredFit
from pairity.code_revision import read_code_revision
from pairity.csv_files import escape_formulas
from pairity.digest import digest_bytes
from pairity.durable import make_folder, replace_file, replace_file_with
from pairity.layout import Layout
from pairity.number_formats import format_plain
from pairity.settings import Settings
from training import tracking
from training.backtest import performance
from training.backtest.comparison import Contender
from training.books.card import render_book_card
from training.books.code_digest import digest_book_code
from training.books.decision_log import tabulate_decisions
from training.books.engine import BookTerms
from training.books.registrations import read_registrations
from training.books.walked import WalkedBook
from training.data.point_in_time import read_snapshot_id
from training.data.splits import Split
from training.reports import matplotlib_figures as figures
from training.reports.run_curves import draw_curves
from training.reports.run_files import CARD, list_setting_params, locate_directory
from training.reports.run_names import SUBJECT_TAG, name_run
from training.run_records import RunRecord

MARKET_TAG, CODE_TAG, REGISTRATION_TAG = "training_digest", "book_code_sha256", "registration"
FITTED_TAG = "fitted_at"
"""Tags of a book's version: digest of the market that it was judged on, of the code that made it, name of its
pre-registration, close at which its fit was made (missing where nothing is fitted)."""


def define_stored_book(settings: Settings, walked: WalkedBook, terms: BookTerms, fit: StoredFit | None) -> StoredBook:
    """Return the definition under which a book is registered: everything besides code and data that it depends on."""
    family, costs = walked.bench.family, terms.costs
    registered = read_registrations(settings, family.name)
    return StoredBook(
        family=family,
        limits=terms.limits,
        costs={
            "initial_equity_usdt": float(terms.initial_equity),
            "fee_bps": float(costs.fee_bps),
            "slippage_bps": float(costs.slippage_bps),
            "impact": float(costs.impact),
        },
        venue=settings.features.venue,
        universe=settings.universe.assets,
        code=digest_book_code(),
        registration=registered[-1].name if registered else None,
        fit=fit,
    )


def write_book_files(settings: Settings, walked: WalkedBook, contenders: Sequence[Contender]) -> list[Path]:
    """Replace the files of the newest training by those of a book; return their paths. The first contender is it."""
    where = locate_directory(settings)
    if where.exists():
        shutil.rmtree(where)
    make_folder(where)
    decided = tabulate_decisions(walked.bench.family.name, walked.run, walked.panel)
    files = [
        figures.draw_equity(where / "equity.png", {c.name: c.result for c in contenders}),
        _write_table(where / "decisions_model.csv", decided),
        _write_table(where / "backtest_per_pair.csv", performance.summarise_by_pair(contenders[0].result.trades)),
    ]
    for contender in contenders:
        files.append(_write_table(where / f"trades_{contender.key}.csv", contender.result.trades))
        files.append(_write_table(where / f"equity_{contender.key}.csv", contender.result.equity))
    return files


def record_book(
    settings: Settings,
    book: StoredBook,
    walked: WalkedBook,
    learnt: Split,
    weights: pl.DataFrame,
    *,
    metrics: Mapping[str, float | None],
    contenders: Sequence[Contender],
) -> ModelRef:
    """Log the run with its decisions, files and curves, and register the book as challenger.

    `learnt` ends what the book counts as having seen. The first contender is the book.
    """
    layout, family, digest = Layout.of(settings), walked.bench.family, walked.digest_market()
    revision, files = read_code_revision(), book.to_files()
    tags = {
        "feature_service": BOOK_FEATURES.name,
        "snapshot_id": read_snapshot_id(layout),
        MARKET_TAG: digest,
        "code_revision": revision.commit or "unknown",
        "code_dirty": "unknown" if revision.dirty is None else str(revision.dirty).lower(),
        "train_end": learnt.train_end.isoformat(),
        "universe": ",".join(book.universe),
        "fitted_sha256": digest_bytes(files[BOOK_FILE]),
        CODE_TAG: book.code,
        FAMILY_TAG: family.name,
    }
    if book.registration is not None:
        tags[REGISTRATION_TAG] = book.registration
    learnt_params: dict[str, object] = {}
    if book.fit is not None:
        tags[FITTED_TAG] = book.fit.made_at.isoformat()
        learnt_params["fit.made_at"] = tags[FITTED_TAG]
    times = contenders[0].result.equity["time"]
    card = render_book_card(book, metrics, tags, {one.key: one.name for one in contenders}, (times[0], times[-1]))
    replace_file(locate_directory(settings) / CARD, card.encode())
    params: dict[str, object] = {
        "split.test_start": times[0],
        "split.test_end": times[-1],
        "book.names": family.size,
        "book.every_hours": family.every_hours,
        "book.band": format_plain(family.band),
        **learnt_params,
        **list_setting_params(settings),
    }
    name = name_run(layout, tracking.EXPERIMENT, family.name, (times[0], times[-1]), params)
    run = RunRecord(
        params=params | {"family": family.name} | {f"contender.{one.key}": one.name for one in contenders},
        metrics=metrics,
        tags={**tags, SUBJECT_TAG: name.subject},
        training_set=weights,
        training_digest=digest,
        source=layout.features / ASSET_BOOKS.name,
        artifacts=locate_directory(settings),
        note=card,
        name=str(name),
        curves=draw_curves(contenders[0].result),
        target=None,
    )
    with tracking.start_run(layout, run) as run_id:
        uri = tracking.log_files(layout, run_id, files)
    return register(settings, run_id, uri, tags)


def _write_table(path: Path, frame: pl.DataFrame) -> Path:
    replace_file_with(path, escape_formulas(frame).write_csv)
    return path
