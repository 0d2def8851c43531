"""A data directory with one file of each kind, ways to damage any file, and the readers of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.contract_specs import write_contracts
from feature_repo.offline_files import publish, scan_view
from feature_repo.raw_datasets import DATASETS
from feature_repo.raw_files import count_rows_by_month, scan_versions
from ingestion.due_months import locate_ledger
from ingestion.lake import Lake
from ingestion.staging import Staging
from pairity.layout import Layout
from tests.training.generated import spec
from tests.training.published import asset_rows, settings_for
from training.data.point_in_time import read_snapshot_id
from validation.measurements import Measurements
from validation.quarantine import Quarantine, read_items
from validation.quarantine_items import keep_item, record_action
from validation.results import load, save
from validation.rules import Rule
from validation.verdict_counts import count_verdicts, record_verdicts

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASSETS = ("BTC", "ETH", "SOL")


def make_home(home: Path) -> Layout:
    """Write one file of every kind that the commands read."""
    settings = settings_for(home, ASSETS)
    layout = Layout.of(settings)
    lake = Lake(layout)
    with lake.writing():
        lake.write("candles_1h", "BTC", candles(48), covered=[(START, START + 48 * HOUR)])
        with lake.batch() as batch:
            batch.write("funding", settlements(3).with_columns(asset=pl.lit("BTC")))
    staging = Staging(layout)
    staging.add("candles_1h", "ETH", candles(4), [(START, START + 4 * HOUR)])
    publish(layout, ASSET_HOURLY, asset_rows(settings, 60, 1))
    write_contracts(layout, [spec(asset, ct_val="0.01", lot="0.01") for asset in ASSETS])
    broken = candles(2).with_columns(broken_rules=pl.Series([["high_low"], ["high_low"]]))
    item = keep_item(layout, "candles_1h", "BTC/2025-03", ["high_low_violations"], broken, START)
    record_action(item, "repair failed", "the venue did not answer", now=START)
    rule = Rule(name="null_close", column="close", meaning="no close", lower=None, upper=0.0, critical=True)
    save(layout, [Measurements("candles_1h", (rule,), ("BTC/2025-03",), np.array([[0.0]]))], {}, START)
    record_verdicts(layout, {"candles_1h": (["BTC/2025-03"], [])})
    (layout.features / "snapshot.json").write_text(json.dumps({"snapshot_id": "5" * 64}))
    locate_ledger(layout).write_text(json.dumps({"2025-03": "5" * 64}))
    return layout


def candles(hours: int) -> pl.DataFrame:
    """Hours of one instrument."""
    times = [START + hour * HOUR for hour in range(hours)]
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    rows = [{"open_time": at, **prices, "known_at": at + HOUR} for at in times]
    return DATASETS["candles_1h"].conform(pl.DataFrame(rows))


def settlements(count: int) -> pl.DataFrame:
    """Settlements of one instrument."""
    times = [START + number * 8 * HOUR for number in range(count)]
    return DATASETS["funding"].conform(
        pl.DataFrame([{"funding_time": at, "funding_rate": 1e-4, "known_at": at} for at in times])
    )


KINDS = {
    "manifest": "lake/candles_1h/**/manifest.json",
    "month": "lake/candles_1h/**/part.parquet",
    "commit": "lake/segments/*/*.json",
    "segment": "lake/segments/*/*.parquet",
    "generation": ".lake.generation",
    "staged": "staging/**/*.parquet",
    "features": "features/asset_hourly/**/*.parquet",
    "contracts": "reference/contracts.parquet",
    "quarantined rows": "quarantine/**/rows.parquet",
    "quarantine reason": "quarantine/**/reason.json",
    "quarantine journal": "quarantine/**/journal.jsonl",
    "validation": "gx/validations/*.json",
    "verdicts": "gx/verdicts/*.json",
    "snapshot": "features/snapshot.json",
    "ledger": "features/inputs.json",
}
"""Kinds of files, and where one of each lies."""

READERS: dict[str, Callable[[Layout], object]] = {
    "lake": lambda layout: Lake(layout).verify(),
    "scan": lambda layout: (
        Lake(layout).scan("candles_1h", ["BTC"], START, START + 99 * HOUR).collect(),
        Lake(layout).scan("funding", ["BTC"], START, START + 99 * HOUR).collect(),
    ),
    "raw files": lambda layout: scan_versions(layout, "funding", "okx", "BTC").collect(),
    "raw candles": lambda layout: scan_versions(layout, "candles_1h", "okx", "BTC").collect(),
    "raw counts": count_rows_by_month,
    "staging": lambda layout: [
        (staging := Staging(layout)).recover(),
        *(staging.read(name, month) for name in staging.datasets() for month in staging.months(name)),
    ],
    "features": lambda layout: scan_view(layout, ASSET_HOURLY).collect(),
    "quarantine": lambda layout: [item.read_rows() for item in read_items(layout)],
    "withheld": lambda layout: Quarantine.read(layout).list_withheld_instants(),
    "validations": load,
    "verdicts": count_verdicts,
    "snapshot": read_snapshot_id,
}
"""What the commands read with."""

COMMANDS = (
    ("data",),
    ("data", "verify"),
    ("gaps",),
    ("compact",),
    ("quarantine", "list"),
)
"""Commands that read these files, and import no heavy library."""

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content[: len(content) // 2] + b"\xa5\x5a" + content[len(content) // 2 + 2 :],
    "noise": lambda content: np.random.default_rng(1).bytes(500),
    "null": lambda content: b"null",
    "number": lambda content: b"7",
    "text": lambda content: b'"x"',
    "list": lambda content: b"[[1], 2]",
    "object": lambda content: b"{}",
    "deep": lambda content: b"[" * 100_000 + b"]" * 100_000,
    "long number": lambda content: b'{"rows": ' + b"9" * 10_000 + b"}",
    "keys twice": lambda content: content.replace(b"{", b'{"rows": 1, "rows": 2, ', 1),
    "texts for numbers": lambda content: content.replace(b": 0", b': "0"').replace(b": 1", b': "1"'),
    "numbers for texts": lambda content: content.replace(b': "', b': 5, "x": "'),
    "naive times": lambda content: content.replace(b"+00:00", b""),
    "no UTF-8": lambda content: b"\xff\xfe" + content,
    "UTF-16": lambda content: content.decode("latin-1").encode("utf-16"),
    "surrogate": lambda content: content.replace(b': "', b': "\\ud800'),
}
"""Ways to damage a file; what is in no file of a kind changes nothing."""
