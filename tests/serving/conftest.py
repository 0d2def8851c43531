from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.journal import Journal
from tests.serving.guarding import Guard
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import RUN, Desk, desk_on


@pytest.fixture
def tiny() -> TinyOkx:
    return TinyOkx()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open(tmp_path / "journal.db", scope="test", durable=False)
    made.record_run(RUN)
    yield made
    made.close()


@pytest.fixture
def desk(tiny: TinyOkx, tmp_path: Path) -> Iterator[Desk]:
    made = desk_on(tiny, tmp_path / "journal.db")
    yield made
    made.journal.close()


@pytest.fixture
def guard(tiny: TinyOkx, tmp_path: Path) -> Iterator[Guard]:
    tmp_path.chmod(0o700)
    made = Guard(tiny, tmp_path)
    yield made
    made.desk.journal.close()
