"""At once, hour by hour, in other pieces, with other threads: features have the same bytes however they came to be."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, VIEWS
from feature_repo.offline_files import scan_view
from pairity.layout import Layout
from pairity.settings import Settings
from tests.e2e.running import Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.recorded]
# Read when the module is imported: fixtures take PAIRITY_* out of the environment.
RECORDED = os.environ.get("PAIRITY_RECORDED_DATA")
ASSETS = ("BTC", "ETH", "SOL", "XRP")
UNTIL = datetime(2025, 4, 9, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=20)
HOUR_BY_HOUR = 30


@pytest.fixture(scope="module")
def exchange():
    if not RECORDED:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded market to ingest")
    folder = Path(RECORDED) / "okx_swap"
    start = (UNTIL + timedelta(hours=2)).isoformat()
    with paper_exchange("--market", "recorded", "--data", str(folder), "--start", start) as running:
        yield running


def ingest(place, exchange, since, until, **environment):
    done = place.run(
        "ingest",
        "--since",
        since.isoformat(),
        "--until",
        until.isoformat(),
        "--exchange-url",
        exchange.url,
        "--control-url",
        exchange.control,
        PAIRITY_UNIVERSE__ASSETS=str(list(ASSETS)).replace("'", '"'),
        **environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def digests(place):
    """SHA-256 per view over all rows in order of entity and time, every column, as one Arrow file."""
    layout = Layout.of(Settings(home=place.home))
    found = {}
    for name, view in VIEWS.items():
        rows = scan_view(layout, view).sort(view.entity, EVENT_TIME, CREATED_TIME).collect()
        found[name] = (
            rows.height,
            hashlib.sha256(rows.rechunk().write_ipc(None, compression="uncompressed").getvalue()).hexdigest(),
        )
    return found


@pytest.fixture(scope="module")
def at_once(exchange, tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("once") / "home")
    ingest(place, exchange, SINCE, UNTIL)
    found = digests(place)
    assert all(found[name][0] for name in ("asset_hourly", "pair_hourly"))
    return found


@pytest.mark.timeout(900)
def test_hour_by_hour(exchange, at_once, tmp_path):
    place = Place(tmp_path / "home")
    for back in range(HOUR_BY_HOUR, -1, -1):
        ingest(place, exchange, SINCE, UNTIL - timedelta(hours=back))
    assert digests(place) == at_once


@pytest.mark.timeout(900)
def test_in_other_pieces(exchange, at_once, tmp_path):
    place = Place(tmp_path / "home")
    for days in (1.3, 9, 11.51, 17, 20):
        ingest(place, exchange, SINCE, SINCE + timedelta(days=days), PAIRITY_INGEST__PAGE_SIZE="97")
    assert digests(place) == at_once


@pytest.mark.parametrize("threads", ["1", "3"])
def test_with_other_threads(exchange, at_once, tmp_path, threads):
    place = Place(tmp_path / "home")
    ingest(place, exchange, SINCE, UNTIL, POLARS_MAX_THREADS=threads, NUMBA_NUM_THREADS=threads)
    assert digests(place) == at_once


def test_the_digest_sees_one_bit(at_once):
    rows = pl.DataFrame({"value": [1.0, 2.0]})
    changed = rows.with_columns(pl.Series("value", [1.0, 2.0000000000000004]))
    first, second = (frame.write_ipc(None, compression="uncompressed").getvalue() for frame in (rows, changed))
    assert first != second
