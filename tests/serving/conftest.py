from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import Desk, desk_on


@pytest.fixture
def tiny() -> TinyOkx:
    return TinyOkx()


@pytest.fixture
def desk(tiny: TinyOkx, tmp_path: Path) -> Iterator[Desk]:
    made = desk_on(tiny, tmp_path / "journal.db")
    yield made
    made.journal.close()
