"""The examples of a cluster: they can be read, and say what the local cluster and the settings say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pairity.cluster_settings import ClusterSettings

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "deploy" / "cluster"
COMPOSE = yaml.safe_load((EXAMPLES / "compose.yaml").read_text())
VALUES = yaml.safe_load((EXAMPLES / "values.yaml").read_text())


def list_dask_variables() -> dict[str, set[str]]:
    scheduler, worker = (VALUES[name]["env"] for name in ("scheduler", "worker"))
    return {
        "compose": set(COMPOSE["services"]["scheduler"]["environment"]),
        "scheduler": {item["name"] for item in scheduler},
        "worker": {item["name"] for item in worker},
    }


@pytest.mark.parametrize("place", list_dask_variables())
def test_workers_encrypt_and_use_one_thread(place):
    found = list_dask_variables()[place]
    tls = {f"DASK_DISTRIBUTED__COMM__TLS__{who}__{what}" for who in ("SCHEDULER", "WORKER") for what in ("CERT", "KEY")}
    assert tls | {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION", "OMP_NUM_THREADS", "POLARS_MAX_THREADS"} <= found


def test_every_port_is_on_this_machine_alone_and_no_password_stands_there():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not re.search(r"password: *\S", (EXAMPLES / "compose.yaml").read_text(), re.IGNORECASE)


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose, which checks it, is not here")
def test_the_tool_accepts_the_compose_file(tmp_path):
    done = subprocess.run(
        ["docker-compose", "-f", EXAMPLES / "compose.yaml", "config", "-q"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_profile_of_feast_names_settings_that_exist():
    text = (ROOT / "feature_repo" / "profiles" / "cluster.yaml").read_text()
    named = {name.lower() for name in re.findall(r"\$\{PAIRITY_CLUSTER__(\w+)\}", text)}
    not_of_feast = {"object_store", "lake", "lake_cache_mb", "journal_schema"}
    of_libpq = {"postgres_user", "postgres_password"}
    assert named == set(ClusterSettings.model_fields) - not_of_feast - of_libpq
    assert "PGUSER" in text
    assert "PGPASSWORD" in text
