"""The document is the catalogue's."""

from pathlib import Path

from feature_repo.catalog import VIEWS
from feature_repo.documentation import render_document

FILE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_document_is_not_stale():
    assert FILE.read_text() == render_document(), "run `make docs`"


def test_every_feature_has_its_line():
    text = render_document()
    for view in VIEWS.values():
        part = text.partition(f"## `{view.name}`")[2].partition("\n## ")[0]
        for feature in view.features:
            line = next(line for line in part.splitlines() if line.startswith(f"| `{feature.name}` |"))
            assert feature.unit.replace("|", "\\|") in line
            assert feature.nulls.replace("|", "\\|") in line
