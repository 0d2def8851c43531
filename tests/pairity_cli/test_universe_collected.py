"""`--universe NAME` of ingest, collect and features: all members of a stored universe, beside those of the settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_CROSS_SECTION, PAIR_HOURLY
from feature_repo.offline_files import scan_view
from feature_repo.universes import StoredUniverse, add_members, make_snapshot, store_universe
from ingestion.lake import Lake
from pairity.layout import Layout
from pairity.settings import Settings, UniverseSettings
from pairity.universe import short_name
from pairity_cli.main import main
from tests.ingestion import venue as paper
from tests.ingestion.sources.folder_files import bars, write_csv

MAY, JUNE = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
RANGE = ("--since", "2024-05-01", "--until", "2024-06-01")
ASSETS = st.lists(st.sampled_from("ABCDEFG"), min_size=1, max_size=5, unique=True)


def snapshots(*members):
    """One snapshot a month, from May 2024 on."""
    return pl.concat(
        make_snapshot("hand", at, [(asset, None, None, "MEXC") for asset in names])
        for at, names in zip((MAY, JUNE), members, strict=False)
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PAIRITY_UNIVERSE__MIN_ALIGNED_BARS", "24")
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(["BTC", "ETH"]))
    return Layout(tmp_path / "home")


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


def list_stored(layout):
    return {short_name(part.instrument) for part in Lake(layout).contents()}


def list_entities(layout, view):
    return set(scan_view(layout, view).collect()[view.entity])


@given(own=ASSETS.filter(lambda names: len(names) > 1), first=ASSETS, second=ASSETS)
def test_members_follow_the_assets_of_the_settings_and_no_pair_is_added(own, first, second):
    settings = Settings(universe=UniverseSettings(assets=tuple(own), min_aligned_bars=7))
    widened = add_members(settings, StoredUniverse("mine", snapshots(first, second)))
    assert widened.universe.assets[: len(own)] == tuple(own)
    assert sorted(widened.universe.assets) == sorted({*own, *first, *second})
    assert widened.universe.pairs == settings.universe.pairs
    assert widened.universe.min_aligned_bars == 7
    assert add_members(widened, StoredUniverse("mine", snapshots(first, second))) == widened


def test_files_of_all_members_are_collected_and_features_are_made_of_them(home, tmp_path):
    """Also of a member that is none any more; what is no member is left alone."""
    rows = [(row[0].strftime("%Y-%m-%d %H:%M"), *(str(value) for value in row[1:])) for row in bars(72)]
    for asset in ("BTC", "ETH", "SOL", "DOT", "ADA"):
        write_csv(tmp_path / "in" / f"{asset}-USDT.csv", rows)
    store_universe(home, "mine", snapshots(["SOL", "ETH"], ["DOT"]), keep=False)
    source = ("collect", "--source", "csv-folder", "--folder", str(tmp_path / "in"), "--venue", "okx", *RANGE)
    for chosen, stored in (
        (("--universe", "mine", "--assets", "DOT"), {"DOT"}),
        (("--universe", "mine"), {"SOL", "ETH", "DOT"}),
        (("--assets", "BTC"), {"SOL", "ETH", "DOT", "BTC"}),
    ):
        done = run(*source, *chosen)
        assert done.exit_code == 0, done.output
        assert list_stored(home) == stored
    done = run("features", "--universe", "mine", "--until", "2024-06-01")
    assert done.exit_code == 0, done.output
    assert list_entities(home, ASSET_CROSS_SECTION) == {"BTC", "ETH", "SOL", "DOT"}
    assert list_entities(home, PAIR_HOURLY) == {"BTC__ETH"}


def test_the_venue_is_asked_for_all_members(home):
    store_universe(home, "mine", snapshots(["SOL"]), keep=False)
    with paper.venue(paper.synthetic()) as place:
        asked = ("ingest", "--exchange-url", place.url, "--since", "2026-01-01", "--until", "2026-01-02")
        refused = run(*asked, "--universe", "mine", "--instruments", "BTC")
        assert refused.exit_code == 2
        assert "choose from: SOL" in refused.output
        done = run(*asked, "--universe", "mine")
    assert done.exit_code == 0, done.output
    assert list_stored(home) == {"SOL"}
    assert list_entities(home, ASSET_CROSS_SECTION) == {"SOL"}


@pytest.mark.parametrize(
    "command", [("ingest", "--exchange-url", "http://127.0.0.1:9"), ("collect", "--source", "okx"), ("features",)]
)
def test_a_universe_that_is_not_there_is_named_and_so_are_those_that_are(home, command):
    done = run(*command, "--universe", "mine")
    assert done.exit_code == 2
    assert "mine" in done.output
    assert f"build one with PAIRITY_HOME={home.root} pairity universe" in " ".join(done.output.split())
    store_universe(home, "other", snapshots([]), keep=False)
    assert "other" in run(*command, "--universe", "mine").output
    done = run(*command, "--universe", "other")
    assert done.exit_code == 4
    assert "universe other never had a member" in done.output
    assert run(*command, "--universe", "../x").exit_code == 2
