"""What training and backtests need besides features: looked at before anything is computed, not after the fit."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, CREATED_TIME, EVENT_TIME
from feature_repo.offline_files import scan_view
from feature_repo.redenominations import read_units
from model_registry.connection import open_client, store_errors
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from training.backtest.comparison import make_terms
from training.data.contracts import note_assumed_contracts, read_traded_contracts
from training.data.point_in_time import read_snapshot_id
from training.data.training_sets import choose_pair_service
from training.data.unit_check import require_one_unit

_IN_TIME = timedelta(days=1)
"""How long after a bar's close its features may become known and still serve a decision: by far less, in fact."""
_REMEDY = "run pairity ingest, or give them with pairity contracts FILE"


def require_ready(settings: Settings) -> list[str]:
    """Return notes: assumed contracts, assets that no backtest can trade without one or funding, and mixed units.

    Raises where not one can be traded, or nothing was published.

    MissingDataError where no features are published, features are in a unit of before a redenomination
    (`require_one_unit`), or no contract of the universe is known; UnknownNameError or
    ConfigError for a feature service that is none of pairs, and where a backtest has no equity to begin with;
    LakeCorruptError where the stored contracts cannot be read.
    """
    choose_pair_service(settings)
    make_terms(settings)
    layout, assets = Layout.of(settings), settings.universe.assets
    read_snapshot_id(layout)
    require_one_unit(settings)
    assumed = note_assumed_contracts(settings)
    if not assumed and not layout.contracts.exists():
        raise MissingDataError(f"no contract specifications at {layout.contracts}", _REMEDY)
    known = read_traded_contracts(settings, layout)
    missing = [asset for asset in assets if asset not in known]
    if len(missing) == len(assets):
        raise MissingDataError(f"no contract specification is known for {', '.join(missing)}", _REMEDY)
    return [
        *assumed,
        *note_unknown_funding(settings),
        *note_mixed_units(settings),
        *(f"{asset} is not traded: no contract specification is known ({_REMEDY})" for asset in missing),
    ]


def note_unknown_funding(settings: Settings) -> list[str]:
    """Return notes on the assets whose funding was known at no decision: nothing of theirs is ever traded.

    Funding that was stored after the features is a correction of them, which no decision of before knew.
    """
    venue, assets = settings.features.venue, settings.universe.assets
    is_known = pl.col("funding_rate").is_not_null()
    in_time = is_known & (pl.col(CREATED_TIME) <= pl.col(EVENT_TIME) + _IN_TIME)
    rows = scan_view(Layout.of(settings), ASSET_HOURLY).filter(pl.col("asset").is_in(assets)).group_by("asset")
    known = rows.agg(is_known.any().alias("known"), in_time.any().alias("in_time")).collect()
    notes = []
    for chosen, what, remedy in (
        (~pl.col("known"), "is not known in any hour", f"collect funding of venue {venue}, then run pairity features"),
        (
            pl.col("known") & ~pl.col("in_time"),
            "was stored after the features were made, so that no decision knew it",
            "to trade on it as history, remove features/ and run pairity features",
        ),
    ):
        found = set(known.filter(chosen)["asset"])
        named = "any asset" if found == set(known["asset"]) else ", ".join(name for name in assets if name in found)
        notes += [f"funding of {named} {what}: nothing of that is traded; {remedy}"] if found else []
    return notes


def note_mixed_units(settings: Settings) -> list[str]:
    """Return a note per asset whose features became corrections when a redenomination was stored.

    What was known at a decision is in the old unit then, what followed in the new one.
    """
    layout, notes = Layout.of(settings), []
    for step in read_units(layout, settings.features.venue).steps:
        before = (pl.col(EVENT_TIME) <= step.at) & (pl.col(CREATED_TIME) >= step.stored_at)
        rows = scan_view(layout, ASSET_HOURLY).filter(pl.col("asset") == step.asset, before)
        if step.asset in settings.universe.assets and rows.head(1).collect().height:
            notes.append(
                f"{step.asset} was redenominated on {step.at:%Y-%m-%d %H:%M} UTC, and what was known before is in the "
                "old unit: to train on it, remove features/ and run pairity features"
            )
    return notes


def require_tracking(settings: Settings) -> None:
    """Raise RegistryError unless the store that a run is logged to can be read."""
    layout = Layout.of(settings)
    client = open_client(layout)
    with store_errors(layout):
        client.search_experiments(max_results=1)
