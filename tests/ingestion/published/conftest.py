"""The store that the homes of these tests share."""

from __future__ import annotations

import pytest

from tests.ingestion.published.homes import use_store


@pytest.fixture
def store(monkeypatch):
    return use_store(monkeypatch)
