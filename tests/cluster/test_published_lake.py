"""Lake and features in an S3-compatible store, on recorded data: the bits of one machine, and nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from feature_repo.catalog import PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.feature_store import apply_definitions, open_store, read_historical
from feature_repo.object_store import open_objects
from feature_repo.offline_files import scan_view
from feature_repo.placeholders import read_placeholder
from ingestion.lake import Lake
from ingestion.pipeline import publish_features
from ingestion.published import follow, pruning, publishing
from ingestion.published.cache import bring_all
from pairity.configuration import load_settings
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings
from tests.cluster.conftest import empty_services, set_variables
from tests.cluster.recorded import ASSETS, NOW, UNTIL, fill_lake
from tests.feature_repo.rows import as_bits
from tests.house.source_tree import ROOT

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.recorded,
    pytest.mark.skipif("PAIRITY_RECORDED_DATA" not in os.environ, reason="PAIRITY_RECORDED_DATA is not set"),
]
OF_DATA = {"universe": {"assets": ASSETS}, "features": {"venue": "binance_um"}}


def open_home(folder: Path, address: str | None, profile: str = "embedded") -> Settings:
    return load_settings(home=folder, profile=profile, **OF_DATA, **({"cluster": {"lake": address}} if address else {}))


def lake_of(settings: Settings) -> Lake:
    return Lake(Layout.of(settings), venue="binance_um")


def list_files(settings: Settings) -> dict[str, bytes]:
    """Parquet files of lake and features, with their bytes."""
    root = settings.root
    paths = [path for folder in ("lake", "features") for path in sorted((root / folder).rglob("*.parquet"))]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """One machine's home, and one that published the same in a store."""
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patched:
        address = f"{set_variables(patched)['PAIRITY_CLUSTER__OBJECT_STORE']}/{folder.name}"
        alone, first = open_home(folder / "alone", None), open_home(folder / "first", address)
        for settings in (alone, first):
            fill_lake(settings)
            publish_features(settings, UNTIL, NOW, SilentProgress())
        yield alone, first, address


def test_a_home_with_nothing_but_the_address_reads_the_bits_of_one_machine(homes, tmp_path):
    alone, _, address = homes
    new = open_home(tmp_path / "new", address)
    assert follow(new).number >= 1
    assert all(read_placeholder(path) for path in new.root.rglob("*.parquet")), "bytes come when they are read"
    assert lake_of(new).snapshot_id() == lake_of(alone).snapshot_id()
    ours, theirs = (scan_view(Layout.of(one), PAIR_HOURLY).collect() for one in (new, alone))
    order = ours.columns[:3]
    assert as_bits(ours.sort(order)).equals(as_bits(theirs.sort(order)))
    joined = []
    for settings in (new, alone):
        store = open_store(settings)
        apply_definitions(settings, store)
        rows = theirs.select(PAIR_HOURLY.entity, "event_timestamp").unique().sort("event_timestamp", PAIR_HOURLY.entity)
        joined.append(read_historical(store, PAIR_FOREST_FEATURES.name, rows))
    assert as_bits(joined[0]).equals(as_bits(joined[1]))
    late = [path for path in new.root.rglob("*.parquet") if read_placeholder(path)]
    assert any("lake" in path.parts for path in late), "the join needs no raw rows"
    assert bring_all(new.root) == len(late)
    assert list_files(new) == list_files(alone), "the same files under the same names, byte for byte"


def test_two_jobs_at_once_on_two_homes_both_land(homes, tmp_path):
    """Whole processes: each writes an asset of its own and one that both have."""
    address = f"{homes[2]}-two"
    program = "import sys; from tests.cluster.test_published_lake import write; write(*sys.argv[1:])"
    jobs = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / name), address, *assets], cwd=ROOT)
        for name, assets in (("one", ("BTC", "ETH")), ("two", ("SOL", "ETH")))
    ]
    assert [job.wait(300) for job in jobs] == [0, 0]
    reader = open_home(tmp_path / "reader", address)
    follow(reader)
    found = {part.instrument for part in lake_of(reader).contents() if part.dataset == "candles_1m"}
    assert found == {"BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"}
    assert lake_of(reader).verify() >= 6
    whole = {part: one for part, one in lake_of(homes[0]).contents().items() if "XRP" not in part.instrument}
    assert lake_of(reader).contents() == whole, "the rows of one machine"


def write(folder: str, address: str, *assets: str) -> None:
    """Copy the rows of some assets, as a job does that collects them."""
    settings = open_home(Path(folder), address)
    fill_lake(settings, assets)
    with publishing(lake_of(settings), settings):
        pass


def test_a_job_on_workers_computes_in_a_new_home_what_one_machine_does(homes, tmp_path, monkeypatch):
    """Minutes are placeholders at first; the registry has the paths of whichever home applied it last."""
    alone, address = homes[0], f"{homes[2]}-workers"
    write(str(tmp_path / "filled"), address, *ASSETS)
    set_variables(monkeypatch)
    new, other = (open_home(tmp_path / name, address, profile="cluster") for name in ("new", "other"))
    empty_services(new)
    publish_features(new, UNTIL, NOW, SilentProgress())
    bring_all(new.root)
    assert list_files(new) == list_files(alone)
    follow(other)
    rows = scan_view(Layout.of(alone), PAIR_HOURLY).select(PAIR_HOURLY.entity, "event_timestamp").collect()
    rows = rows.unique().sort("event_timestamp", PAIR_HOURLY.entity)
    shutil.rmtree(new.root)
    ours, theirs = (read_historical(open_store(one), PAIR_FOREST_FEATURES.name, rows) for one in (other, alone))
    assert as_bits(ours).equals(as_bits(theirs))
    assert ours[PAIR_FOREST_FEATURES.features[0]].null_count() < ours.height


def test_what_nobody_names_is_deleted_when_asked_and_nothing_else(homes):
    _, first, address = homes
    objects = open_objects(address)
    objects.create("files/aa/left-over", b"of a killed job")
    before = list_files(first)
    assert [one.name for one in pruning.find_orphans(objects).objects if "left" in one.name] == ["files/aa/left-over"]
    pruning.prune(objects, now=NOW)
    assert pruning.find_orphans(objects).objects == []
    with publishing(lake_of(first), first) as outcome:
        pass
    assert (outcome.publication.files, list_files(first)) == (0, before)


def test_conditions_are_kept_by_the_store(homes):
    objects = open_objects(f"{homes[2]}-conditions")
    tag = objects.replace("one", b"1", None)
    assert objects.replace("one", b"2", None) is None
    assert not objects.create("one", b"2")
    assert objects.read("one", 1) == (b"1", tag)
    newer = objects.replace("one", b"22", tag)
    assert newer not in {None, tag}
    assert objects.replace("one", b"3", tag) is None
    assert objects.read("one", 1) is None, "more than was asked for"
    objects.delete(["one", "gone"])
    assert objects.replace("one", b"4", newer) is None, "what is gone does not have that tag"


def test_a_store_that_is_not_there_is_named(homes, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("feature_repo.object_store.TRIES", 0)
    with pytest.raises(DataError, match=r"the object store s3://.* cannot be used"):
        follow(open_home(tmp_path / "new", f"{homes[2]}"))
    program = [sys.executable, "-m", "pairity_cli", "data"]
    given = {"PAIRITY_HOME": str(tmp_path / "new"), "PAIRITY_CLUSTER__LAKE": homes[2], "PAIRITY_PROFILE": "embedded"}
    done = subprocess.run(program, cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, check=False)
    assert (done.returncode, "cannot be used" in done.stderr) == (4, True)
