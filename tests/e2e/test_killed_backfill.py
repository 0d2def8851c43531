"""A backfill killed at any moment: the next run ends with the data of one that was never disturbed."""

from __future__ import annotations

import hashlib
import random
import signal
import time

import pytest

from feature_repo.catalog import VIEWS
from feature_repo.offline_files import read_latest_view, scan_view
from ingestion.lake import Lake
from pairity.layout import Layout
from pairity.settings import Settings
from tests.e2e.running import ASSETS, Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
KILLS = 20
ARGUMENTS = ("--since", "18d")


def layout_of(place):
    return Layout.of(Settings(home=place.home, universe={"assets": ASSETS}))


def stored(place):
    """Snapshot id, and a digest of coverage and of the bytes of every raw and every feature file."""
    layout = layout_of(place)
    lake = Lake(layout)
    with lake.writing():
        lake.compact()  # how many commits there were depends on the kills
    lake.verify()
    folders = (layout.lake.glob("*/venue=*/*/*/part.parquet"), layout.features.rglob("*"))
    files = sorted(path for found in folders for path in found if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(place.home)).encode())
        digest.update(path.read_bytes())
    for partition in lake.partitions():
        digest.update(f"{partition.relative} {lake.manifest(partition).coverage}".encode())
    return lake.snapshot_id(), digest.hexdigest()


def left_overs(place):
    names = ("*.tmp", ".*.tmp", ".unfinished-*", ".tmp-*", "manifest.next.json", "staging/**/*.parquet")
    return sorted(str(path) for name in names for path in place.home.rglob(name))


@pytest.mark.timeout(3000)
def test_killed_at_twenty_moments_it_ends_as_if_undisturbed(tmp_path):
    with paper_exchange("--seed", "5") as exchange:
        options = ("ingest", *ARGUMENTS, "--exchange-url", exchange.url, "--control-url", exchange.control)
        undisturbed = Place(tmp_path / "undisturbed")
        begun = time.monotonic()
        assert undisturbed.run(*options).returncode == 0
        took = time.monotonic() - begun
        expected = stored(undisturbed)
        assert all(
            scan_view(layout_of(undisturbed), VIEWS[name]).collect().height for name in ("asset_hourly", "pair_hourly")
        )
        moments = random.Random(20)
        killed = 0
        for number in range(KILLS):
            place = Place(tmp_path / f"killed-{number}")
            moment = moments.uniform(0.25, 0.98) * took
            process = place.start(*options)
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
            killed += process.returncode == -signal.SIGKILL
            again = place.run(*options)
            assert again.returncode == 0, f"after {moment:.2f} s: {again.stdout}{again.stderr}"
            assert stored(place) == expected, f"killed after {moment:.2f} of {took:.2f} s"
            assert left_overs(place) == []
        assert killed >= KILLS // 2, f"only {killed} of {KILLS} runs were still alive when they were killed"


def test_nothing_is_stored_twice(tmp_path):
    """A row that was published before the kill is not published again by the next run."""
    with paper_exchange("--seed", "5") as exchange:
        options = ("ingest", *ARGUMENTS, "--exchange-url", exchange.url, "--control-url", exchange.control)
        place = Place(tmp_path / "twice")
        assert place.run(*options).returncode == 0
        (layout_of(place).features / "inputs.json").unlink()
        assert place.run(*options).returncode == 0
        for view in VIEWS.values():
            rows = scan_view(layout_of(place), view).collect()
            bounds = rows["event_timestamp"].min(), rows["event_timestamp"].max()
            if rows.height:
                newest = read_latest_view(layout_of(place), view, bounds[0], bounds[1])
                assert rows.height == newest.height + rows.filter(rows["event_timestamp"] == bounds[1]).height
