"""Feast's own files, damaged: the registry and the online store say which they are and how they are made again."""

from __future__ import annotations

import os

import pytest

from feature_repo.feature_store import apply_definitions, open_store
from pairity.errors import LakeCorruptError
from tests.training.published import settings_for

DAMAGES = {
    "noise": lambda path: path.write_bytes(os.urandom(4096)),
    "text": lambda path: path.write_bytes(b"[" * 4096),
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_registry_that_is_none_is_named(tmp_path, damage):
    settings = settings_for(tmp_path / "home")
    path = tmp_path / "home" / "feast" / "registry.db"
    path.parent.mkdir(parents=True)
    DAMAGES[damage](path)
    with pytest.raises(LakeCorruptError, match=r"registry\.db .*"):
        apply_definitions(settings, open_store(settings))


@pytest.mark.parametrize("damage", ["noise", "text", "folder", "pipe"])
def test_an_online_store_that_is_none_is_named(tmp_path, damage):
    settings = settings_for(tmp_path / "home")
    path = tmp_path / "home" / "feast" / "online.db"
    path.parent.mkdir(parents=True)
    DAMAGES[damage](path)
    with pytest.raises(LakeCorruptError, match=r"online\.db cannot be opened"):
        apply_definitions(settings, open_store(settings))
