"""The line with which every screen about data begins: is my data all right, and if not, which command mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pairity_cli.tables import print_line

if TYPE_CHECKING:
    from pairity.settings import Settings


def say_nothing_stored(settings: Settings, venue: str | None = None) -> None:
    """Print that the lake has nothing, and where that is because everything was withheld, what to do about it."""
    from pairity.layout import Layout
    from pairity_cli.context import NOTHING_STORED
    from validation.quarantine import read_items

    if read_items(Layout.of(settings), state="held"):
        say_data_verdict(settings, venue)
    else:
        print_line(NOTHING_STORED)


def say_data_verdict(settings: Settings, venue: str | None = None) -> None:
    """Print the verdict on the data of a venue (default: that of `features.venue`).

    Data that cannot be read are a verdict, not an error: the screen itself may not need them.
    """
    from datetime import UTC, datetime

    from ingestion.data_page.standing import judge_standing
    from pairity.errors import PairityError

    try:
        verdict = judge_standing(settings, datetime.now(UTC), venue).verdict
    except PairityError as error:
        verdict = f"Data NOT all right: {error.what}" + (f": {error.remedy}" if error.remedy else "")
    print_line(verdict)


def say_empty_views(settings: Settings) -> None:
    """Print for each view without any row why it has none: a 0 in a table does not tell missing data from a fault."""
    from ingestion.empty_views import explain_empty_views
    from ingestion.lake import Lake
    from pairity.layout import Layout

    layout = Layout.of(settings)
    for empty in explain_empty_views(layout, Lake(layout, venue=settings.features.venue)):
        print_line(f"{empty.view} has no rows: {empty.reason}")
