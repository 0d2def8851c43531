"""A demo that cannot start leaves the one before as it was."""

from __future__ import annotations

import pytest

from tests.e2e.running import Indoors

pytestmark = pytest.mark.e2e


def test_a_mistyped_demo_costs_nothing(tmp_path):
    home = tmp_path / "demo"
    home.mkdir()
    (home / ".pairity-demo").touch()
    (home / "journal.db").write_text("precious")
    done = Indoors(tmp_path / "elsewhere").run("demo", "--home", str(home), "--data", str(tmp_path))
    assert done.returncode == 2
    assert "a synthetic market reads no folder" in done.stderr
    assert (home / "journal.db").read_text() == "precious"
