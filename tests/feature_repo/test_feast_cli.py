"""Feast's own command line on this repository, in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from feast.repo_operations import get_repo_files

import feature_repo
from feature_repo.catalog import ASSET_HOURLY, MARKET_STATE, SERVICES, VIEWS
from feature_repo.entities import ENTITIES
from feature_repo.feature_store import apply_definitions, open_store, read_online
from feature_repo.offline_files import publish
from pairity.layout import Layout
from pairity.settings import FeatureSettings, Settings
from tests.feature_repo.rows import HOUR, START, as_bits, make_rows

REPOSITORY = Path(feature_repo.__file__).parent


RUN = """
import json, sys
from feast.cli.cli import cli
for command in json.loads(sys.argv[1]):
    cli(command, standalone_mode=False)
    print(end="\\0", flush=True)
"""


def feast(*arguments: str | Path, **where) -> str:
    """What one command prints."""
    return feast_commands(arguments, **where)[0]


def feast_commands(
    *commands: tuple[str | Path, ...], cwd: Path, home: str | Path | None = None, code: Path = REPOSITORY.parent
) -> list[str]:
    """What each of the commands prints, one after another in one process: Feast takes seconds to import."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAIRITY_")}
    environment["PYTHONPATH"] = str(code)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if home is not None:
        environment["PAIRITY_HOME"] = str(home)
    command = [sys.executable, "-c", RUN, json.dumps([[str(word) for word in words] for words in commands])]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return done.stdout.split("\0")[:-1]


def test_only_the_definitions_are_scanned():
    assert get_repo_files(REPOSITORY) == [REPOSITORY / "feature_definitions.py"]


def test_apply_plan_list_and_materialize_share_one_store_with_the_code(tmp_path):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = Settings(home=home)
    rows = make_rows(ASSET_HOURLY, hours=range(3))
    publish(Layout(home), ASSET_HOURLY, rows)
    since, until = (instant.replace(tzinfo=None).isoformat() for instant in (START, START + 2 * HOUR))
    commands = (["apply"], ["plan"], ["feature-views", "list"], ["materialize", since, until])
    applied, plan, views, _ = feast_commands(
        *(("-c", REPOSITORY, *each) for each in commands), cwd=elsewhere, home=home
    )
    assert "asset_hourly" in applied
    assert "No changes to registry" in plan
    assert "No changes to infrastructure" in plan
    assert [name in views for name in ("asset_hourly", "pair_hourly", "pair_id")] == [True] * 3
    newest = rows.filter(event_timestamp=START + 2 * HOUR).sort("asset")
    online = read_online(open_store(settings), MARKET_STATE.name, ["A", "B"])
    assert as_bits(online.select(newest.columns)).equals(as_bits(newest))
    assert not apply_definitions(settings, open_store(settings))
    assert not any(elsewhere.iterdir())


@pytest.mark.slow
def test_the_cli_finds_nothing_to_change_after_the_codes_own_apply(tmp_path):
    settings = Settings(home=tmp_path / "home")
    apply_definitions(settings, open_store(settings))
    registry = (tmp_path / "home" / "feast" / "registry.db").read_bytes()
    plan = feast("-c", REPOSITORY, "plan", cwd=tmp_path, home=tmp_path / "home")
    assert "No changes to registry" in plan
    assert (tmp_path / "home" / "feast" / "registry.db").read_bytes() == registry
    entities = feast("-c", REPOSITORY, "entities", "list", cwd=tmp_path, home=tmp_path / "home")
    assert all(name in entities for name in ENTITIES)
    services = feast("-c", REPOSITORY, "feature-services", "list", cwd=tmp_path, home=tmp_path / "home")
    assert all(name in services for name in SERVICES)


@pytest.mark.slow
@pytest.mark.parametrize("inside", [False, True], ids=["from the project", "from the repository"])
def test_a_clone_uses_its_own_var_and_its_own_settings(tmp_path, inside):
    """The default data directory, as pairity takes it in the project's folder; pairity.toml counts here too."""
    for package in ("pairity", "feature_repo"):
        shutil.copytree(REPOSITORY.parent / package, tmp_path / package)
    (tmp_path / "pairity.toml").write_text("[features]\nttl_hours = 5\n")
    if inside:
        feast("apply", cwd=tmp_path / "feature_repo", code=tmp_path)
    else:
        feast("-c", "feature_repo", "apply", cwd=tmp_path, code=tmp_path)
    assert sorted(path.name for path in (tmp_path / "var" / "feast").iterdir()) == ["online.db", "registry.db"]
    settings = Settings(home=tmp_path / "var", features=FeatureSettings(ttl_hours=5))
    store = open_store(settings)
    hourly = {view.name for view in VIEWS.values() if view.every == HOUR}
    assert {view.ttl for view in store.list_feature_views() if view.name in hourly} == {timedelta(hours=5)}
    assert not apply_definitions(settings, store)
