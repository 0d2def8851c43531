"""The line with which every screen about data begins: is my data all right, and if not, which command mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pairity_cli.tables import print_line

if TYPE_CHECKING:
    from pairity.settings import Settings


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
