from __future__ import annotations

import pytest

from tests.serving.api_scene import ApiScene


@pytest.fixture
def scene(tmp_path):
    made = ApiScene(tmp_path)
    yield made
    made.close()
