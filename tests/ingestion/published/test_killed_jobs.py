"""An overtaken job that is killed at any change of a file of its data directory, and run again: nothing is lost."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from feature_repo import object_store, placeholders
from feature_repo.catalog import ASSET_HOURLY
from feature_repo.offline_files import scan_view
from ingestion.published import follow
from pairity.layout import Layout
from tests.feature_repo.rows import as_bits
from tests.ingestion.published import overtaken_job
from tests.ingestion.published.homes import contents, lake_of, make_home

MODULE = "tests.ingestion.published.overtaken_job"
SAMPLED = (14, 40)
STEPS = 120


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder before the job, and what is there after it: contents of the lake and rows of a view."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(object_store, "open_objects", object_store.open_objects)  # put back at the end
        folder = tmp_path_factory.mktemp("prepared")
        overtaken_job.prepare(folder / "before")
        calm = copy(folder / "before", folder / "calm")
        overtaken_job.run(calm)
        yield folder / "before", look(calm)


def copy(before: Path, folder: Path) -> Path:
    shutil.copytree(before, folder)
    overtaken_job.open_store(folder)
    placeholders._open.cache_clear()
    return folder


def look(folder: Path):
    two = make_home(folder / "two")
    assert lake_of(two).verify() == 3
    rows = scan_view(Layout.of(two), ASSET_HOURLY).collect()
    return contents(two), as_bits(rows.sort(rows.columns[:3])).rows(), (two.root / "reference" / "note").read_bytes()


def run_killed(folder: Path, step: int) -> bool:
    command = [sys.executable, "-m", MODULE, str(folder), str(step)]
    ended = subprocess.run(command, check=False, cwd=Path(__file__).parents[3])
    assert ended.returncode in (0, -signal.SIGKILL)
    return ended.returncode != 0


def assert_recovers(folder: Path, expected) -> None:
    two = make_home(folder / "two")
    lake_of(two).snapshot_id()  # readers need no recovery
    scan_view(Layout.of(two), ASSET_HOURLY).collect()
    overtaken_job.run(folder)
    assert look(folder) == expected
    folders = [two.root / name for name in ("lake", "features", ".published")]
    assert [path for below in folders for path in below.rglob("*") if path.name.endswith(".tmp")] == []
    kept = list((two.root / ".published" / "set-aside").rglob("note"))
    assert kept
    assert {path.read_bytes() for path in kept} == {b"two"}
    assert not list((two.root / ".published" / "stash").glob("*"))
    one = make_home(folder / "one")
    follow(one)
    assert contents(one) == expected[0]


@pytest.mark.parametrize("step", SAMPLED)
def test_killed_at_a_step_and_run_again_it_ends_as_if_undisturbed(tmp_path, prepared, step) -> None:
    before, expected = prepared
    folder = copy(before, tmp_path / "home")
    assert run_killed(folder, step)
    assert_recovers(folder, expected)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_at_every_step_and_run_again_it_ends_as_if_undisturbed(tmp_path, prepared) -> None:
    before, expected = prepared
    for step in range(STEPS):
        folder = copy(before, tmp_path / str(step))
        came_there = run_killed(folder, step)
        assert_recovers(folder, expected)
        if not came_there:
            return
    pytest.fail(f"the job makes more than {STEPS} changes")
