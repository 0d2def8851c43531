"""Place of Feast's registry and embedded online store: below the data directory, for Feast's own CLI as for pairity.

feature_store.yaml names classes that resolve its relative paths here. They are relative to the data directory
(`PAIRITY_HOME`, or `home` of pairity.toml or .env, default `./var`), as everything generated is; Feast alone would put
them beside the feature definitions. The CLI changes its working directory while it runs, so a relative data directory
is always taken from the project's folder, the one that holds this package.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from feast.infra.registry.file import FileRegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.repo_config import RegistryConfig

from feature_repo.registry_content import read_registry
from pairity.configuration import load_settings
from pairity.durable import make_folder, replace_file_with
from pairity.settings import Settings

PROJECT_FOLDER = Path(__file__).resolve().parent.parent


def load_project_settings() -> Settings:
    """Return settings as pairity reads them in the project's folder, with an absolute `home`; for Feast's CLI."""
    with contextlib.chdir(PROJECT_FOLDER):
        settings = load_settings()
        return settings.model_copy(update={"home": settings.root})


def resolve_below_home(path: str) -> Path:
    """Return `path` if it is absolute, else `path` below the data directory; its folder is created."""
    located = Path(path) if Path(path).is_absolute() else load_project_settings().root / path
    make_folder(located.parent)
    return located


class HomeFileRegistryStore(FileRegistryStore):
    """Feast's file registry below the data directory, replaced as a whole: a reader never sees half of it."""

    def __init__(self, registry_config: RegistryConfig, repo_path: Path) -> None:
        resolved = registry_config.model_copy(update={"path": str(resolve_below_home(registry_config.path))})
        super().__init__(resolved, repo_path)
        self._filepath = Path(resolved.path)

    def get_registry_proto(self) -> RegistryProto:
        """Return the registry, checked; errors as `read_registry`. Feast reads the file nowhere else."""
        return read_registry(self._filepath)

    def _write_registry(self, registry_proto: RegistryProto) -> None:
        final = self._filepath

        def write(temporary: Path) -> None:
            # Feast writes to the path it was made with: lend it the temporary one for as long as it writes.
            self._filepath = temporary
            super(HomeFileRegistryStore, self)._write_registry(registry_proto)

        try:
            replace_file_with(final, write)
        finally:
            self._filepath = final
