"""Where Feast's registry and embedded online store lie: below the data directory, for Feast's own CLI as for pairity.

feature_store.yaml names these classes. Relative paths in it are relative to the data directory (`PAIRITY_HOME`, default
`./var`), as everything generated is; Feast alone would put them beside the feature definitions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.infra.registry.file import FileRegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.repo_config import RegistryConfig, RepoConfig

from pairity.settings import load_settings


def _data_directory() -> Path:
    """The data directory as seen from where the command was given; inside this folder that is the project's."""
    home = load_settings().home.expanduser()
    start = Path.cwd()
    if (start / "feature_store.yaml").is_file():
        start = start.parent
    return home if home.is_absolute() else start / home


# Read once, at import: Feast's CLI changes its working directory before it uses any of this.
HOME = _data_directory()


class HomeFileRegistryStore(FileRegistryStore):
    """Feast's file registry below the data directory."""

    def __init__(self, registry_config: RegistryConfig, repo_path: Path) -> None:
        super().__init__(registry_config, HOME)

    def _write_registry(self, registry_proto: RegistryProto) -> None:
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        super()._write_registry(registry_proto)


class HomeSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """`online_store:` section of feature_store.yaml; `path` is relative to the data directory."""

    type: Literal["feature_repo.home.HomeSqliteOnlineStore"] = "feature_repo.home.HomeSqliteOnlineStore"


class HomeSqliteOnlineStore(SqliteOnlineStore):
    """Feast's SQLite online store below the data directory."""

    @staticmethod
    def _get_db_path(config: RepoConfig) -> str:
        path = HOME / str(config.online_store.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path)
