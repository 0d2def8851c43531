"""A live process killed at any moment, again and again: in the end its data are those of one that was left alone."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, MARKET_STATE, PAIR_FOREST_FEATURES, VIEWS
from feature_repo.feature_store import open_store, read_online
from feature_repo.offline_files import scan_view
from ingestion.lake import Lake
from ingestion.lake.generation import Generation
from ingestion.lake.spans import Span, subtract
from ingestion.pipeline import ingest
from pairity.layout import Layout
from pairity.timeline import HOUR, MINUTE, to_ms
from tests.e2e.hourly_life import AREAS, HISTORY, LAG, ONE_HOUR, START, UNTIL, settings_of
from tests.e2e.running import ASSETS, ROOT, paper_exchange
from validation.quarantine import read_items
from venue.clock import SteppedClock

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(3000)]
LIVES, KILLS = 2, 6
STAGING = "/staging/"
MODULE = "tests.e2e.hourly_life"
FOLDERS = ("lake", "features", "quarantine", "staging", "reference")


def record_market(folder: Path) -> None:
    """Random walks of minutes, with prices that cannot be right and holes in the live hours, and funding."""
    rng = np.random.default_rng(3)
    count = (UNTIL + 2 * HOUR - HISTORY) // MINUTE
    times = [to_ms(HISTORY) + 60_000 * place for place in range(count)]
    for number, asset in enumerate(ASSETS):
        close = np.round(100.0 * (1 + number) * np.exp(np.cumsum(rng.normal(0, 4e-4, count))), 4)
        opened = np.r_[close[:1], close[:-1]]
        high, low = np.maximum(opened, close) * 1.0001, np.minimum(opened, close) * 0.9999
        rows = pl.DataFrame(
            {
                "ts": times,
                "open": opened,
                "high": np.round(high, 4) + 1e-4,
                "low": np.round(low, 4) - 1e-4,
                "close": close,
                "volume": np.round(rng.uniform(1, 9, count), 3),
            }
        )
        # Some in the middle of an hour, and one in the last minute, for which the next hour asks again.
        spikes = [START + (2 + number) * HOUR - 7 * MINUTE, START + 9 * HOUR - (1 + number) * MINUTE]
        for at in spikes if number < 2 else spikes[:1]:
            wrong = pl.col("ts") == to_ms(at)
            rows = rows.with_columns(
                pl.when(wrong).then(pl.col(name) * 9).otherwise(name) for name in rows.columns[1:5]
            )
        hole = START + 5 * HOUR - (3 * number) * MINUTE
        rows = rows.filter(~pl.col("ts").is_between(to_ms(hole - 2 * MINUTE), to_ms(hole), closed="left"))
        (folder / "1m_live").mkdir(parents=True, exist_ok=True)
        rows.write_parquet(folder / "1m_live" / f"{asset}-USDT.parquet")
        (folder / "funding").mkdir(exist_ok=True)
        settled = times[:: 8 * 60]
        rates = pl.DataFrame({"ts": settled, "funding_rate": np.round(rng.normal(1e-4, 1e-5, len(settled)), 8)})
        rates.write_parquet(folder / "funding" / f"{asset}-USDT.parquet")


@dataclass(frozen=True)
class Scene:
    """A recorded market, a data directory with its history, and where lives take place, one after the other.

    A data directory knows its own path: every life is lived at the same one.
    """

    market: Path
    pristine: Path
    home: Path

    def exchange(self):
        """Run the market from the last hour of the history on."""
        start = (START + LAG).isoformat()
        return paper_exchange("--market", "recorded", "--data", str(self.market), "--start", start)

    def begin(self) -> None:
        """Put the data directory back to the end of its history."""
        if self.home.exists():
            shutil.rmtree(self.home)
        shutil.copytree(self.pristine, self.home)

    def start(self, url: str, since: str, *kill: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", MODULE, str(self.home), url, since, *kill]
        return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    made = Scene(folder / "market", folder / "pristine", folder / "home")
    record_market(made.market)
    with made.exchange() as exchange:
        settings = settings_of(made.home, exchange.url)

        async def fill():
            clock = await SteppedClock.connect(exchange.control)
            return await ingest(settings, HISTORY, START, clock=clock)

        assert asyncio.run(fill()).quarantined == ()
    shutil.copytree(made.home, made.pristine)
    return made


@dataclass(frozen=True)
class Stored:
    """Everything that later runs and decisions depend on, by name, and what is covered, by partition."""

    values: dict[str, str]
    coverage: dict[str, tuple[Span, ...]]


@dataclass(frozen=True)
class Calm:
    """What a life without a kill leaves behind, how many changes of files it makes by area, and its seconds."""

    found: Stored
    changes: dict[str, int]
    took_s: float


@pytest.fixture(scope="module")
def calm(scene):
    scene.begin()
    with scene.exchange() as exchange:
        begun = time.monotonic()
        process = scene.start(exchange.url, ONE_HOUR)
        said, errors = process.communicate(timeout=600)
        assert process.returncode == 0, said + errors
        took = time.monotonic() - begun
        changes = json.loads(said)
        assert set(changes) == set(AREAS) - {STAGING}, changes
        found = stored(scene.home, exchange.url)
    print(f"undisturbed: {took:.1f} s, {changes}")
    return Calm(found, changes, took)


def stored(home: Path, url: str) -> Stored:
    """Compact the lake and look at everything: rows by all their bits and in all versions, other files as they are."""
    settings = settings_of(home, url)
    layout, lake = Layout(home), Lake(Layout(home))
    with lake.writing():
        lake.compact()  # how many commits wait depends on the kills
    lake.verify()
    found = {"snapshot id": lake.snapshot_id()}
    coverage = {partition.relative: lake.manifest(partition).coverage for partition in lake.partitions()}
    for folder in FOLDERS:
        for path in sorted((home / folder).rglob("*")):
            # Manifests and features lie as the commits came; what they say is compared.
            if path.is_file() and path.name != "manifest.json" and (folder != "features" or path.suffix == ".json"):
                found[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for name, view in VIEWS.items():
        found[f"features {name}"] = digest(
            scan_view(layout, view).sort(view.entity, EVENT_TIME, CREATED_TIME).collect()
        )
    store = open_store(settings)
    pairs = [pair.pair_id for pair in settings.universe.pairs]
    found["online pairs"] = digest(read_online(store, PAIR_FOREST_FEATURES.name, pairs))
    found["online assets"] = digest(read_online(store, MARKET_STATE.name, settings.universe.assets))
    found |= {f"left over {name}": "" for name in left_overs(home)}
    return Stored(found, coverage)


def digest(rows: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    rows.rechunk().write_ipc(buffer, compression="uncompressed")
    return f"{rows.height} {hashlib.sha256(buffer.getvalue()).hexdigest()}"


def left_overs(home: Path) -> list[str]:
    """Temporary files, half replacements, staged rows, and lake files that belong to no partition or commit."""
    lake = Lake(Layout(home))
    names = ("*.tmp", "*.tmp/**", ".unfinished-*", ".tmp-*", "manifest.next.json", "staging/**/*.parquet")
    found = {path for name in names for path in home.rglob(name)}
    known = {path for dataset in {part.dataset for part in lake.partitions()} for path in lake.list_files(dataset)}
    found |= {path for path in lake.root.rglob("*.parquet") if path not in known}
    found |= set((lake.root / "segments").rglob("*.*")) if lake.pending == 0 else set()
    found |= set() if Generation(home / ".lake.generation").is_settled() else {home / ".lake.generation"}
    return sorted(str(path.relative_to(home)) for path in found)


def test_the_scene_is_worth_the_trouble(scene, calm):
    """Rows of both months are withheld, pairs have features in every live hour, and several months are published."""
    items = read_items(Layout(scene.home))
    months = {item.key.rpartition("/")[2] for item in items if item.dataset == "candles_1m"}
    assert months == {"2026-01", "2026-02"}
    rows = scan_view(Layout(scene.home), VIEWS["pair_hourly"]).collect()
    hours = (UNTIL - START) // HOUR
    assert rows.filter(pl.col(EVENT_TIME) > START)[EVENT_TIME].n_unique() == hours


@pytest.mark.parametrize("catches_up", [False, True], ids=["by the hour", "catching up"])
@pytest.mark.parametrize("seed", range(LIVES))
def test_killed_again_and_again_it_ends_as_if_undisturbed(scene, calm, seed, catches_up):
    """Most kills come at some change of a file, one at an instant of its own.

    A process that catches up, as the trading process does, asks again for what was missing and is old enough by now
    not to come any more: it may cover more than one that never came back.
    """
    moments = random.Random(f"{seed} {catches_up}")
    areas = [area for area in AREAS if catches_up or area != STAGING]
    plan: list[str | None] = [*moments.sample(areas, KILLS - 1), None]
    moments.shuffle(plan)
    since = HISTORY.isoformat() if catches_up else ONE_HOUR
    scene.begin()
    killed = []
    with scene.exchange() as exchange:
        at = START
        for place, area in enumerate(plan):
            # Each kill within its share of what is left of the life: the later ones must find it alive.
            share = (UNTIL - at) / (UNTIL - START) / (KILLS - place)
            # Only what a process that comes back asks for again is staged: there are few changes, and all at once.
            changes = share * calm.changes[area] if area in calm.changes else 24
            number = moments.randrange(max(int(changes), 1))
            process = scene.start(exchange.url, since, *((area, str(number)) if area else ()))
            if area is None:
                time.sleep((0.3 + 0.7 * share * moments.random()) * calm.took_s)
                process.send_signal(signal.SIGKILL)
            said, errors = process.communicate(timeout=600)
            assert process.returncode in (0, -signal.SIGKILL), f"after {killed}: {said}{errors}"
            at = datetime.fromtimestamp(exchange.state()["now_ms"] / 1000, START.tzinfo)
            killed += (
                [f"{number} of {area} at {at:%d %H:%M}" if area else f"{at:%d %H:%M}"] if process.returncode else []
            )
        process = scene.start(exchange.url, since)
        said, errors = process.communicate(timeout=600)
        assert process.returncode == 0, f"after {killed}: {said}{errors}"
        found = stored(scene.home, exchange.url)
    print(f"life {seed}, {since}: {killed}")
    assert_equal(found.values, calm.found.values, killed)
    if catches_up:
        for partition, spans in calm.found.coverage.items():
            assert [part for span in spans for part in subtract(span, found.coverage[partition])] == [], partition
    else:
        assert_equal(found.coverage, calm.found.coverage, killed)
    assert len(killed) >= KILLS - 1, killed


def assert_equal(found: Mapping[str, object], expected: Mapping[str, object], killed: list[str]) -> None:
    names = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    differs = [f"{name}: {found.get(name)}, undisturbed {expected.get(name)}" for name in names]
    assert not differs, "\n".join([f"killed at {killed}", *differs])
