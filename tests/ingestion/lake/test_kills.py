"""Writers killed at every step of batches and compaction, and readers beside a writer that goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.lake import Lake
from ingestion.lake.generation import Generation
from pairity.layout import Layout
from tests.ingestion.lake import hourly_workload as workload
from tests.ingestion.lake.hourly_workload import ASSETS, HOUR, HOURS, START, rows_of

BEGIN, END = START - 100 * HOUR, START + 1000 * HOUR
MODULE = "tests.ingestion.lake.hourly_workload"
# The workload makes a little over two hundred changes of files.
SAMPLED = range(3, 230, 100)
STEPS = 260


def parts(lake: Lake) -> dict[str, bytes]:
    return {str(path.relative_to(lake.root)): path.read_bytes() for path in lake.root.rglob("part.parquet")}


def left_overs(folder: Path) -> list[str]:
    """Temporary files, half replacements, and segments that no commit names."""
    lake = Lake(Layout(folder))
    named = {path for name in ("index_1h", "open_interest") for path in lake.list_files(name)}
    found = [path for path in folder.rglob("*") if path.name.endswith(".tmp") or path.name == "manifest.next.json"]
    found += [path for path in lake.root.rglob("*.parquet") if path not in named]
    return [str(path) for path in found]


def snapshots(folder: Path) -> list[str]:
    """The snapshot ids that a reader may see, one per change that becomes visible."""
    lake = Lake(Layout(folder), durable=False)
    seen = [lake.snapshot_id()]
    for hour in range(HOURS):
        workload.write_hour(lake, hour)
        seen.append(lake.snapshot_id())
        if hour == 2:
            lake.write("index_1h", "ETH", rows_of("index_1h", hour).filter(asset="ADA").drop("asset"))
            seen.append(lake.snapshot_id())
            lake.write("index_1h", "BTC", rows_of("index_1h", 30).filter(asset="BTC").drop("asset"))
            seen.append(lake.snapshot_id())
    return seen


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, list[str]]:
    folder = tmp_path_factory.mktemp("calm")
    workload.run(folder)
    allowed = snapshots(tmp_path_factory.mktemp("steps"))
    lake = Lake(Layout(folder))
    assert lake.snapshot_id() == allowed[-1]
    assert left_overs(folder) == []
    return lake, allowed


def run_killed(folder: Path, step: int) -> bool:
    """Run the workload and let it die at a step; return whether it came that far."""
    command = [sys.executable, "-m", MODULE, str(folder), str(step)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert ended.returncode in (0, -signal.SIGKILL)
    return ended.returncode != 0


def assert_recovers(folder: Path, calm: tuple[Lake, list[str]]) -> None:
    whole, allowed = calm
    seen = Lake(Layout(folder)).snapshot_id()  # readers need no recovery
    with Lake(Layout(folder)).writing():
        pass
    lake = Lake(Layout(folder))
    assert lake.snapshot_id() in allowed
    assert allowed.index(lake.snapshot_id()) - allowed.index(seen) in (0, 1)
    lake.verify()
    assert left_overs(folder) == []
    assert Generation(folder / ".lake.generation").is_settled()
    workload.run(folder)
    again = Lake(Layout(folder))
    assert again.snapshot_id() == whole.snapshot_id()
    assert parts(again) == parts(whole)
    assert again.pending == 0
    assert [path.name for path in (again.root / "segments").rglob("*.*")] == []
    assert left_overs(folder) == []


@pytest.mark.parametrize("step", SAMPLED)
def test_killed_at_a_step_it_ends_as_if_undisturbed(tmp_path: Path, step: int, calm: tuple[Lake, list[str]]) -> None:
    run_killed(tmp_path, step)
    assert_recovers(tmp_path, calm)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_at_every_step_it_ends_as_if_undisturbed(tmp_path: Path, calm: tuple[Lake, list[str]]) -> None:
    for step in range(STEPS):
        came_there = run_killed(tmp_path / str(step), step)
        assert_recovers(tmp_path / str(step), calm)
        if not came_there:
            return
    pytest.fail(f"the workload makes more than {STEPS} changes")


WRITER = """
import sys
from pathlib import Path
from tests.ingestion.lake import hourly_workload
print("ready", flush=True)
hourly_workload.run(Path(sys.argv[1]), hours=60, every=3)
"""


@pytest.mark.slow
def test_a_reader_beside_batches_and_compaction_sees_whole_hours_once(tmp_path: Path) -> None:
    """Without a lock: never a row twice, never one missing, never an older state than before."""
    reader, seen = Lake(Layout(tmp_path)), 0
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        looks = 0
        while process.poll() is None:
            # A new object has an index of its own to load while the writer goes on.
            lake = Lake(Layout(tmp_path)) if looks % 3 == 0 else reader
            plan = lake.scan("open_interest", ASSETS, BEGIN, END)
            lake.coverage("index_1h", "ADA", BEGIN, END)
            rows = plan.collect()
            hours = rows.height // len(ASSETS)
            expected = [START + hour * HOUR for hour in range(hours)]
            assert rows["asset"].to_list() == [asset for asset in ASSETS for _ in range(hours)]
            assert rows["time"].to_list() == expected * len(ASSETS)
            assert hours >= seen
            seen = hours
            closes = lake.scan("index_1h", ("ADA",), BEGIN, END).collect()["close"].to_list()
            # The newest two may show their correction already: see `scan`.
            settled = max(len(closes) - 2, 0)
            assert closes[:settled] == [float(hour + 1) for hour in range(settled)]
            assert all(close - hour in (0.0, 1.0) for hour, close in enumerate(closes[settled:], settled))
            for partition in lake.partitions():
                versions = lake.versions(partition)
                assert not versions.is_duplicated().any()
            looks += 1
        assert process.returncode == 0
    assert looks > 5
    assert reader.scan("open_interest", ASSETS, BEGIN, END).collect().height == 60 * len(ASSETS)
