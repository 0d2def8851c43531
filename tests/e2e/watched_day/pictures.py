"""Pictures of the watched day for the documents: taken where DAY_PICTURES names a folder, at hours worth seeing."""

from __future__ import annotations

import os
from pathlib import Path

from tests.serving.dashboard.browsing import Look

MOMENTS = {17.2: "dashboard", 7.7: "dashboard-venue-away"}
"""Hours of the day at which a picture is taken, and what it shows."""
_taken: set[str] = set()


def take_pictures(looks: list[Look], hour: float) -> None:
    """Take the pictures whose hour has come: the desk's and the phone's."""
    folder = os.environ.get("DAY_PICTURES")
    if not folder:
        return
    for moment, name in MOMENTS.items():
        if name in _taken or abs(hour - moment) > 0.01:
            continue
        _taken.add(name)
        Path(folder).mkdir(parents=True, exist_ok=True)
        for look, size in zip(looks, ("desk-dark", "phone-light"), strict=True):
            look.page.evaluate("window.scrollTo(0, 0)")
            look.page.screenshot(path=f"{folder}/{name}-{size}.png")
