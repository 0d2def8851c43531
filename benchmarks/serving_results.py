"""Digest of everything that a trading process left behind: two versions of the code must leave the same.

Rows count and not files: how they are laid out on the disk is nobody's business.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from benchmarks.serving_scene import TRADING
from feature_repo.catalog import CREATED_TIME, EVENT_TIME, VIEWS
from feature_repo.offline_files import scan_view
from feature_repo.raw_datasets import DATASETS, KNOWN_AT
from ingestion.lake import Lake
from pairity.digest import digest_bytes, digest_parts
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.codec import decision_to_json
from pairity.timeline import DAY
from serving.journal import Journal
from validation.quarantine import read_items

_EVER = TRADING - 1200 * DAY, TRADING + 40 * DAY


def digest_results(settings: Settings) -> dict[str, str]:
    """Return one digest each of raw rows, feature rows, withheld rows, decisions, and the vectors decided on."""
    layout = Layout.of(settings)
    lake = Lake(layout)
    raw = ((name, digest_rows(_read_raw(lake, settings, name))) for name in DATASETS)
    features = (
        (name, digest_rows(scan_view(layout, view).sort(view.entity, EVENT_TIME, CREATED_TIME).collect()))
        for name, view in VIEWS.items()
    )
    withheld = ((f"{item.dataset} {item.key}", digest_rows(item.read_rows())) for item in read_items(layout))
    journal = Journal.read(layout.journal)
    try:
        records = journal.decisions()
        decided = [
            (r.event_timestamp.isoformat(), f"{r.decision_time} {decision_to_json(r.decision)}") for r in records
        ]
        seen = [
            (f"{r.event_timestamp} {v.service} {v.entity}", f"{v.event_timestamp} {_spell(dict(v.values))}")
            for r in records
            for v in journal.vectors(r.decision_id)
        ]
    finally:
        journal.close()
    return {
        "raw rows": digest_parts(raw),
        "feature rows": digest_parts(features),
        "withheld rows": digest_parts(withheld),
        "decisions": digest_parts(decided),
        "vectors": digest_parts(seen),
    }


def digest_rows(rows: pl.DataFrame) -> str:
    """Return a digest over all values in order, floats by their bits."""
    return digest_bytes("\n".join(_spell_columns(rows)).encode())


def _spell_columns(rows: pl.DataFrame) -> Iterator[str]:
    yield f"{dict(rows.schema)} {rows.height}"
    for column in rows:
        bits = column.reinterpret(dtype=pl.Int64) if column.dtype == pl.Float64 else column
        yield digest_bytes(bits.cast(pl.String, strict=False).fill_null("\0").str.join("\n").item().encode())


def _read_raw(lake: Lake, settings: Settings, name: str) -> pl.DataFrame:
    rows = lake.scan(name, settings.universe.assets, *_EVER).collect()
    return rows.sort("asset", DATASETS[name].time, KNOWN_AT)


def _spell(values: dict[str, object]) -> str:
    return repr({name: value.hex() if isinstance(value, float) else value for name, value in sorted(values.items())})
