"""The page `pairity data --html`: the verdict, what mends each thing, coverage as a picture, holes, what is withheld.

One file that loads nothing and runs nothing; dark and light, for a desk, a telephone and paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from feature_repo.raw_datasets import DATASETS
from ingestion.data_page.coverage_picture import Picture, draw_coverage
from ingestion.data_page.standing import DataStanding
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE
from ingestion.market_anomalies import describe_anomalies
from pairity.durable import replace_file
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR
from validation.pages.render import render_page
from validation.quarantine import Quarantine

NAME = "data.html"
SHOWN = 50
"""Most holes, items and anomalies of the page; the commands show all."""
SHOWN_ROWS = 40
"""Most assets or pairs of a picture: what is not whole comes first."""
_TEMPLATES = Path(__file__).parent / "templates"


def write_data_page(settings: Settings, standing: DataStanding, now: datetime) -> Path:
    """Write the page about the data that `standing` judges to `reports/data.html`; return its path."""
    layout = Layout.of(settings)
    lake = Lake(layout, venue=standing.venue)
    withheld = Quarantine.read(layout).list_withheld_instants("" if lake.venue == HOME_VENUE else lake.venue)
    traded = [name for name, kind in DATASETS.items() if "close" in kind.values]
    dead_after = settings.features.dead_after_hours * HOUR
    anomalies = [f"{name}: {line}" for name in traded for line in describe_anomalies(lake, name, dead_after)]
    page = render_data_page(standing, draw_coverage(layout, lake, withheld), anomalies, now)
    target = layout.reports / NAME
    replace_file(target, page.encode(), durable=False)  # it can be made again
    return target


def render_data_page(
    standing: DataStanding, pictures: Sequence[Picture], anomalies: Sequence[str], now: datetime
) -> str:
    """Return the page as HTML text; the same data at the same instant give the same text."""
    waiting: dict[str, int] = {}
    for item in standing.withheld:
        waiting[item.dataset] = waiting.get(item.dataset, 0) + item.rows
    rows = {picture.name: sorted(picture.rows, key=lambda row: row.is_whole) for picture in pictures}
    return render_page(
        _TEMPLATES,
        "data.html",
        standing=standing,
        waiting=waiting,
        pictures=pictures,
        rows=rows,
        anomalies=anomalies,
        shown=SHOWN,
        shown_rows=SHOWN_ROWS,
        made=now,
    )
