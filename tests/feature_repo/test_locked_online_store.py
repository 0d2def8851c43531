"""An online store that cannot be opened now is not a damaged one: nobody is told to delete what is whole."""

from __future__ import annotations

import sqlite3

import pytest
from feast.infra.online_stores.sqlite import SqliteOnlineStore

from feature_repo.feature_store import open_store
from feature_repo.online_store import NewestSqliteOnlineStore
from pairity.errors import DataError, LakeCorruptError
from pairity.settings import Settings


@pytest.mark.parametrize(
    ("error", "is_damaged"),
    [
        (sqlite3.OperationalError("database is locked"), False),
        (sqlite3.OperationalError("unable to open database file"), False),
        (sqlite3.OperationalError("database or disk is full"), False),
        (sqlite3.DatabaseError("file is not a database"), True),
        (sqlite3.DatabaseError("database disk image is malformed"), True),
    ],
)
def test_only_a_damaged_one_is_to_be_deleted(error, is_damaged, tmp_path, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(SqliteOnlineStore, "_get_conn", fail)
    config = open_store(Settings(home=tmp_path)).config
    with pytest.raises(DataError) as caught:
        NewestSqliteOnlineStore()._get_conn(config)
    assert isinstance(caught.value, LakeCorruptError) is is_damaged
    assert ("delete it" in caught.value.remedy) is is_damaged
    assert str(error) in caught.value.what
