"""When instruments were listed, as venues say: what lies before is no hole, and nobody need ask for it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from ingestion.lake.manifest import parse_instant
from pairity.bounded_files import read_json_file
from pairity.durable import replace_file
from pairity.layout import Layout
from pairity.names import VENUE


def read_listing_times(layout: Layout, venue: str) -> dict[str, datetime]:
    """Return when instruments of a venue were listed, by asset; what cannot be read is as if it were not there."""
    try:
        content = read_json_file(_locate(layout, venue))
        return {str(asset): parse_instant(text) for asset, text in content.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}  # it only explains: the next collection that asks before a listing notes it again


def note_listing_times(layout: Layout, venue: str, listed: Mapping[str, datetime]) -> None:
    """Add listing times that a venue said; the caller has the writer lock."""
    known = read_listing_times(layout, venue)
    noted = known | dict(listed)
    if noted != known:
        lines = {asset: noted[asset].isoformat() for asset in sorted(noted)}
        replace_file(_locate(layout, venue), (json.dumps(lines, indent=1) + "\n").encode())


def _locate(layout: Layout, venue: str) -> Path:
    return layout.root / "reference" / f"listings-{VENUE.check(venue)}.json"
