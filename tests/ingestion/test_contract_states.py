"""An asset that is not traded now is a failure of its own, with the date that says something."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ingestion.contracts import store_contracts
from ingestion.sources.okx_rows import Listing
from pairity.layout import Layout
from pairity.timeline import DAY
from tests.training.generated import spec

NOW = datetime(2025, 5, 1, tzinfo=UTC)


class Listed:
    """A source that lists one contract."""

    venue = "okx"

    def __init__(self, state: str, ends: timedelta | None, lists: timedelta | None) -> None:
        moments = (None if age is None else NOW + age for age in (ends, lists))
        self.listing = Listing(spec("BTC"), state, *moments)

    async def listings(self, assets):
        return {"BTC": self.listing}

    async def assets(self):
        return ("BTC",)


@pytest.mark.parametrize(
    ("state", "ends", "lists", "said"),
    [
        ("preopen", None, DAY, "seen 2025-05-01 00:00 UTC): it opens 2025-05-02 00:00 UTC"),
        (
            "preopen",
            None,
            -DAY,
            "(state preopen, seen 2025-05-01 00:00 UTC)",
        ),  # it was listed before, and is closed now
        ("suspend", None, -DAY, "(state suspend, seen 2025-05-01 00:00 UTC)"),
        ("suspend", DAY, -DAY, "seen 2025-05-01 00:00 UTC): it ends 2025-05-02 00:00 UTC"),
        ("suspend", -DAY, None, "seen 2025-05-01 00:00 UTC): it ended 2025-04-30 00:00 UTC"),
        ("preopen", 2 * DAY, DAY, "seen 2025-05-01 00:00 UTC): it opens 2025-05-02 00:00 UTC"),
    ],
)
def test_dates_that_are_over_are_not_announced(tmp_path, state, ends, lists, said):
    kept, failures = asyncio.run(
        store_contracts(Layout(tmp_path), Listed(state, ends, lists), ("BTC", "GONE"), NOW, live=False)
    )
    assert kept == ("BTC",)
    reasons = {failure.asset: failure.reason for failure in failures}
    assert reasons["BTC"].endswith(said)
    assert "does not list it" in reasons["GONE"]
