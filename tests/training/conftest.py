"""Figures of trainings, which most tests only need to be there: each kind is rendered once, and from then on drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from training.reports import matplotlib_figures

_BLANK = b"\x89PNG\r\n\x1a\n"
_rendered: set[tuple[str, int]] = set()
_save_figure = matplotlib_figures._save_figure


def _save_once(path, draw, rows=1):
    """Save a figure; without layout and pixels, a fourth of a small training, where one of its name was saved before.

    What is drawn is called all the same, and its file written.
    """
    if (path.name, rows) not in _rendered:
        _rendered.add((path.name, rows))
        return _save_figure(path, draw, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda _, file, **__: Path(file).write_bytes(_BLANK))
        return _save_figure(path, draw, rows)


@pytest.fixture(scope="module", autouse=True)
def _figures(request):
    if request.module.__name__.endswith(("test_ranked_equity", "test_drift_reference")):  # they look at the files
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matplotlib_figures, "_save_figure", _save_once)
        yield
