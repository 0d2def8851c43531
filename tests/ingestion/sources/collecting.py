"""Collection of history from a source, run to its end as the command does."""

from __future__ import annotations

import asyncio

from ingestion.pipeline import collect_history
from ingestion.report import CollectReport


def collect(*arguments, **more) -> CollectReport:
    """The report of `collect_history(settings, source, assets, datasets, since, until, now, progress)`."""
    return asyncio.run(collect_history(*arguments, **more))
