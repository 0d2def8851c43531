"""Feast's configuration by profile: `feature_store.yaml` for one machine, `profiles/cluster.yaml` for a cluster.

Both are the files that Feast's own CLI reads. Relative paths of the embedded one are below the data directory; the
variables of the cluster's are filled in from the settings, wherever those came from.
"""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any

from pairity.settings import Settings

REPOSITORY = Path(__file__).parent


def read_profile(settings: Settings) -> dict[str, Any]:
    """Return the configuration of the settings' profile, as `feast.RepoConfig` takes it."""
    raw = _read_cluster(settings) if settings.profile == "cluster" else _read_embedded(settings)
    raw["offline_store"]["home"] = str(settings.root)
    return raw


def _read_embedded(settings: Settings) -> dict[str, Any]:
    import yaml

    raw: dict[str, Any] = yaml.safe_load((REPOSITORY / "feature_store.yaml").read_text())
    for section in ("registry", "online_store"):
        raw[section]["path"] = str(settings.root / raw[section]["path"])
    return raw


def _read_cluster(settings: Settings) -> dict[str, Any]:
    import yaml

    raw: dict[str, Any] = yaml.safe_load((REPOSITORY / "profiles" / "cluster.yaml").read_text())
    own, passwords = settings.cluster, settings.cluster.reveal_passwords()
    values = {
        "PAIRITY_CLUSTER__SCHEDULER": own.scheduler,
        "PAIRITY_CLUSTER__REDIS": own.redis,
        "PAIRITY_CLUSTER__REDIS_PASSWORD": passwords.get("redis_password", ""),
    }
    schema = raw["registry"]["path"].rpartition("search_path%3D")[2].partition("&")[0]
    raw["registry"]["path"] = own.make_postgres_address(schema)
    for section in ("online_store", "offline_store"):
        raw[section] = {name: Template(str(value)).substitute(values) for name, value in raw[section].items()}
    return raw
