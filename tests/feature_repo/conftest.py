"""An applied feature store in an empty data directory."""

from __future__ import annotations

import os

import pytest

from feature_repo.feature_store import apply_definitions, open_store
from pairity.layout import Layout
from pairity.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PAIRITY_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


@pytest.fixture
def layout(settings):
    return Layout.of(settings)


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    assert apply_definitions(settings, opened)
    return opened
