"""A registry with three signed versions, and what somebody who can write into its database can do to it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from model_registry import registry
from model_registry.approval import sign_version
from model_registry.connection import database_file
from model_registry.records import Check, ModelRef, Verdict
from pairity.layout import Layout
from pairity.settings import Settings
from tests.serving.registered_models import NOW, register, settings_in

PASSED = Verdict((Check("net", True, "net return +2.00%", "above +0.00%"), Check("trades", True, "99", "at least 30")))
FAILED = Verdict((Check("net", False, "net return −2.00%", "above +0.00%"), Check("trades", True, "99", "at least 30")))


@dataclass(repr=False)
class Registry:
    """Version 1 was champion, 2 is champion and passed the gate, 3 is challenger and did not pass.

    All three have the same files, so that only what is said of them differs.
    """

    settings: Settings
    versions: list[ModelRef] = field(default_factory=list)
    before: bytes = b""
    """The database before version 2 was promoted."""

    @classmethod
    def made(cls, home: Path) -> Registry:
        made = cls(settings_in(home))
        first = register(made.settings, seed=1)
        registry.record_verdict(made.settings, "1", PASSED)
        registry.promote(made.settings, "1", "the first", NOW)
        lineage = {name: first.tags[name] for name in first.tags if name not in ("model_sha256",)}
        lineage = {name: value for name, value in lineage.items() if not name.startswith("signature.")}
        registry.register(made.settings, first.run_id, first.uri, lineage | {"snapshot_id": "second"})
        registry.record_verdict(made.settings, "2", PASSED)
        made.before = made.dump()
        registry.promote(made.settings, "2", "the second", NOW)
        registry.register(made.settings, first.run_id, first.uri, lineage | {"snapshot_id": "third"})
        registry.record_verdict(made.settings, "3", FAILED)
        made.versions = [registry.find_version(made.settings, version) for version in "123"]
        return made

    def copied(self, home: Path) -> Registry:
        """The same registry in another directory, signed there by the same owner."""
        shutil.copytree(self.settings.root, home)
        there = Registry(settings_in(home))
        for version in "123":
            sign_version(there.settings, registry.find_version(there.settings, version))
        return there

    @property
    def name(self) -> str:
        return self.settings.model.name

    def dump(self) -> bytes:
        with closing(self.connect()) as database:
            return database.serialize()

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(database_file(Layout.of(self.settings)), timeout=30)

    def write(self, *statements: str) -> None:
        """Change the database as somebody without the key would."""
        with closing(self.connect()) as database, database:
            for statement in statements:
                database.execute(statement)

    def put_back(self, content: bytes) -> None:
        """Replace the whole content of the database."""
        with closing(sqlite3.connect(":memory:")) as memory, closing(self.connect()) as database:
            memory.deserialize(content)
            memory.backup(database)

    @contextmanager
    def with_own_key(self, folder: Path) -> Iterator[None]:
        """Sign with a copy of the key in `folder` that knows of no other directory: an exchange is for all it knows."""
        key = Path(os.environ["PAIRITY_SIGNING_KEY"])
        folder.mkdir(mode=0o700)
        for path in (key, *key.parent.glob("*.ledger-*")):
            if path == key or f'"store": "{self.settings.root}"' in path.read_text():
                shutil.copy2(path, folder)
        os.environ["PAIRITY_SIGNING_KEY"] = str(folder / key.name)
        try:
            with self.restored():
                yield
        finally:
            os.environ["PAIRITY_SIGNING_KEY"] = str(key)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Undo afterwards whatever is done to the database and to the folder of the key."""
        content, folder = self.dump(), Path(os.environ["PAIRITY_SIGNING_KEY"]).parent
        files = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        try:
            yield
        finally:
            self.put_back(content)
            shutil.rmtree(folder)
            folder.mkdir(mode=0o700)
            for path, content in files.items():
                path.write_bytes(content)
                path.chmod(0o600)


def copy_tags(source: int, target: int, like: str = "%") -> str:
    """SQL that copies tags of one version to another one."""
    return (
        "INSERT OR REPLACE INTO model_version_tags (key, value, name, version, workspace) "
        f"SELECT key, value, name, {target}, workspace FROM model_version_tags "
        f"WHERE version = {source} AND key LIKE '{like}'"
    )


def point(alias: str, version: int) -> str:
    return f"UPDATE registered_model_aliases SET version = {version} WHERE alias = '{alias}'"


def set_tag(version: int, key: str, value: str) -> str:
    return (
        "INSERT OR REPLACE INTO model_version_tags (key, value, name, version, workspace) "
        f"SELECT '{key}', '{value}', name, version, workspace FROM model_versions WHERE version = {version}"
    )


def drop_tags(version: int, like: str) -> str:
    return f"DELETE FROM model_version_tags WHERE version = {version} AND key LIKE '{like}'"


def insert_version(version: int, like: int) -> str:
    """SQL that adds a version over the files and lineage of another one."""
    return (
        "INSERT INTO model_versions SELECT name, "
        f"{version}, creation_time, last_updated_time, description, user_id, current_stage, source, run_id, status, "
        f"status_message, run_link, storage_location, workspace FROM model_versions WHERE version = {like}"
    )
