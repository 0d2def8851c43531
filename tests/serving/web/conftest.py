from __future__ import annotations

from datetime import timedelta

import pytest

from tests.serving.api_scene import ApiScene, serving
from tests.serving.trading import T0


@pytest.fixture(scope="package")
def scene(tmp_path_factory):
    """A process that has closed one position, holds another and went on deciding."""
    made = ApiScene(tmp_path_factory.mktemp("api"))
    made.trade(close="z_cross", price="79000")
    made.guard.tiny.now_ms += 3_600_000
    made.trade(T0 + timedelta(hours=1))
    made.decide(T0 + timedelta(hours=2))
    yield made
    made.close()


@pytest.fixture(scope="package")
def client(scene):
    with serving(scene) as asked:
        yield asked
