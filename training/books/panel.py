"""Hours × names: bars and settled funding, and since when each value was known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME
from feature_repo.transforms.asset_books import SURE_INTERVALS
from pairity.digest import digest_bytes, digest_parts
from pairity.errors import MissingDataError
from pairity.timeline import HOUR, format_instant
from training.backtest.records import Settlement
from training.data.point_in_time import FIRST_KNOWN

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BookPanel:
    """Market of a book. Row h is the hour that ends at `start` + h hours; columns are `names`, sorted.

    Prices are USDT, volumes base units; NaN where there is no bar, or no volume of it. `late` is by how many hours a
    bar's row came after its close, rounded up (0: in time for the decision at the close). `rates` are the settlements
    at the hour's end, NaN where there is none, and `covered` the hours of funding that each settlement stands for.
    """

    start: datetime
    names: tuple[str, ...]
    opens: Floats
    highs: Floats
    lows: Floats
    closes: Floats
    volumes: Floats
    late: Floats
    rates: Floats
    covered: Floats

    @property
    def hours(self) -> int:
        """Number of rows."""
        return len(self.closes)

    def close_of(self, hour: int) -> datetime:
        """Return the end of row `hour`."""
        return self.start + hour * HOUR

    def compute_digest(self) -> str:
        """Return the digest of everything in here: bars, volumes, settlements, lateness, names and hours."""
        arrays = {
            "opens": self.opens,
            "highs": self.highs,
            "lows": self.lows,
            "closes": self.closes,
            "volumes": self.volumes,
            "late": self.late,
            "rates": self.rates,
            "covered": self.covered,
        }
        head = f"{format_instant(self.start)} {','.join(self.names)}"
        parts = [(name, digest_bytes(values.tobytes())) for name, values in arrays.items()]
        return digest_parts([("panel", digest_bytes(head.encode())), *parts])

    def list_last_bars(self) -> NDArray[np.int64]:
        """Return per name the row of its last bar; −1 without any."""
        seen = ~np.isnan(self.closes)
        return np.where(seen.any(axis=0), self.hours - 1 - seen[::-1].argmax(axis=0), -1)


def build_panel(
    bars: pl.DataFrame, settlements: Mapping[str, Sequence[Settlement]], decision_lag_h: float
) -> BookPanel:
    """Return the panel of stored bars and settlements; MissingDataError without bars.

    `bars`: asset, event_timestamp (close), first_known, open, high, low, close, volume_base as `history.read_bars`
    returns them. A bar counts as in time if it was known `decision_lag_h` hours after its close. A correction that came
    later takes the place of what was known before: of a corrected bar this panel knows nothing better than today's
    value.
    """
    rows = bars.drop_nulls(["open", "close"])
    if rows.is_empty():
        raise MissingDataError("no bars of the universe are stored", "ingest or collect them first")
    names = tuple(sorted(rows["asset"].unique().to_list()))
    start, end = rows[EVENT_TIME].min(), rows[EVENT_TIME].max()
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    shape = ((end - start) // HOUR + 1, len(names))
    place = {name: column for column, name in enumerate(names)}
    row = ((rows[EVENT_TIME] - start).dt.total_hours()).to_numpy()
    column = rows["asset"].replace_strict(place, return_dtype=pl.Int64).to_numpy()

    def spread(values: pl.Series) -> Floats:
        table = np.full(shape, np.nan)
        table[row, column] = values.to_numpy()
        return table

    waited = (rows[FIRST_KNOWN] - rows[EVENT_TIME]).dt.total_seconds() / 3600.0 - decision_lag_h
    rates, covered = _place_settlements(settlements, names, start, shape)
    return BookPanel(
        start=start,
        names=names,
        opens=spread(rows["open"]),
        highs=spread(rows["high"]),
        lows=spread(rows["low"]),
        closes=spread(rows["close"]),
        volumes=spread(rows["volume_base"]),
        late=np.ceil(np.maximum(spread(waited), 0.0)),
        rates=rates,
        covered=covered,
    )


def _place_settlements(
    settlements: Mapping[str, Sequence[Settlement]], names: Sequence[str], start: datetime, shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    rates, covered = np.full(shape, np.nan), np.zeros(shape)
    for column, name in enumerate(names):
        before: datetime | None = None
        for one in settlements.get(name, ()):
            # Settled within the hour that ends here; venues settle at full hours.
            row = -((start - one.time) // HOUR)
            gap = None if before is None else round((one.time - before) / HOUR)
            before = one.time
            if 0 <= row < shape[0]:
                rates[row, column] = one.rate
                covered[row, column] = gap if gap in SURE_INTERVALS else 0
    return rates, covered
