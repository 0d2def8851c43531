"""Which instruments have no row of a dataset in a range after it was collected, and whether that is a failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ingestion.report import InstrumentFailure, RawRows
from ingestion.sources.protocol import LocalSource, Source


def find_lacking(
    source: Source,
    rows: Sequence[RawRows],
    failures: Sequence[InstrumentFailure],
    listed: Mapping[str, datetime],
    until: datetime,
) -> list[InstrumentFailure]:
    """Return one entry for each asset and dataset of `rows` without a row that is not among `failures` already.

    Not failures (`served` is False): an instrument that was listed at `until` or later, a dataset that a folder lacks
    for an instrument of which it has another one, and rows whose file is not there any more.
    """
    failed = {(failure.asset, failure.dataset) for failure in failures}
    has_some = {item.asset for item in rows if item.rows}
    lacking = []
    for item in rows:
        if (item.asset, item.dataset) in failed:
            continue
        if item.rows:
            if isinstance(source, LocalSource) and not source.files(item.dataset, item.asset):
                gone = f"{source.name} has no file of it now: the {item.rows:,} rows that were stored before stay"
                lacking.append(InstrumentFailure(item.asset, gone, item.dataset, served=False))
            continue
        at = listed.get(item.asset)
        reason = f"{source.name} has no {item.dataset} of it in this range"
        is_later = at is not None and at >= until
        if is_later:
            reason = f"{source.name} did not list it before {at:%Y-%m-%d %H:%M} UTC"
        is_optional = isinstance(source, LocalSource) and item.asset in has_some
        lacking.append(InstrumentFailure(item.asset, reason, item.dataset, served=not (is_later or is_optional)))
    return lacking
