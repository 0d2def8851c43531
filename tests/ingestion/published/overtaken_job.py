"""A job to be killed: it was overtaken, has changed what others have changed too, and publishes on top of theirs.

`python -m tests.ingestion.published.overtaken_job FOLDER [STEP]` runs it; with STEP it kills itself at that change of a
file of its data directory.
"""

from __future__ import annotations

import sys
from pathlib import Path

from feature_repo import object_store
from feature_repo.catalog import ASSET_HOURLY
from feature_repo.feature_compaction import compact_features
from feature_repo.offline_files import publish
from ingestion.published import follow, publishing
from pairity.durable import replace_file
from pairity.layout import Layout
from pairity.settings import Settings
from tests.feature_repo.rows import make_rows
from tests.ingestion.lake.hourly_workload import kill_at
from tests.ingestion.published.folder_store import FolderStore
from tests.ingestion.published.homes import ADDRESS, ingest, lake_of, make_home, raw_rows


def open_store(folder: Path) -> None:
    object_store.open_objects = lambda address: FolderStore(folder / "store", address)


def prepare(folder: Path) -> tuple[Settings, Settings]:
    """Return two homes: one has published, and the other has changes of its own since the state before."""
    open_store(folder)
    one, two = make_home(folder / "one"), make_home(folder / "two")
    ingest(one, "BTC", 1)
    for hour in range(3):
        write_features(one, "A", hour)
    with publishing(lake_of(one), one):
        pass
    follow(two)
    lake = lake_of(two)
    with lake.writing():
        lake.write("index_1h", "BTC", raw_rows(1, hours=40))
        lake.write("index_1h", "SOL", raw_rows(1))
    write_features(two, "B", 1)
    for home, content in ((one, b"one"), (two, b"two")):
        replace_file(home.root / "reference" / "note", content)
    with publishing(lake_of(one), one):
        compact_features(Layout.of(one), fewest=2, grace_s=0)
        compact_features(Layout.of(one), fewest=2, grace_s=0)
        lake_of(one).write("index_1h", "BTC", raw_rows(1, hours=35))
        lake_of(one).write("index_1h", "ETH", raw_rows(1))
    return one, two


def write_features(home: Settings, entity: str, hour: int) -> None:
    publish(Layout.of(home), ASSET_HOURLY, make_rows(ASSET_HOURLY, [entity], range(hour, hour + 1)))


def run(folder: Path) -> None:
    two = make_home(folder / "two")
    with publishing(lake_of(two), two) as outcome:
        pass
    assert outcome.publication is not None


if __name__ == "__main__":
    open_store(Path(sys.argv[1]))
    assert ADDRESS
    if len(sys.argv) > 2:
        kill_at(int(sys.argv[2]), f"{sys.argv[1]}/two")
    run(Path(sys.argv[1]))
