"""Tiingo's crypto API: which exchange has which ticker, and the prices of one exchange."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT
from ingestion.lake.spans import Span, clip, subtract
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.bounded_csv import brief
from ingestion.sources.http import Http
from ingestion.sources.protocol import UnitAnswer
from ingestion.sources.remarks import Remarks
from ingestion.sources.unreadable_rows import leave_out_outside, leave_out_unreadable
from pairity.errors import DataError, VenueAnswerError
from pairity.timeline import DAY

_FREQUENCY = {"candles_1m": "1min", "candles_1h": "1hour"}
_MOST_BARS = 5_000
_UNIT_DAYS = {"candles_1m": 3, "candles_1h": 90}  # an answer holds at most about 5,000 bars
TICKERS_PER_CALL = 50
_NAME = re.compile(r"\w{1,40}", re.ASCII)


@dataclass
class Tiingo(BlockingSource):
    """Prices of one exchange (Tiingo's code) in the currency `quote`. `http` carries the token in its headers."""

    http: Http
    url: str
    exchange: str = "MEXC"
    quote: str = "usdt"
    name: str = field(default="tiingo", init=False)
    datasets: tuple[str, ...] = field(default=("candles_1m", "candles_1h"), init=False)
    remarks: Remarks = field(default_factory=Remarks, init=False, repr=False, compare=False)

    @property
    def venue(self) -> str:
        """Venue in the lake: prices of different exchanges are different venues."""
        return f"tiingo_{self.exchange.lower()}"

    def tickers(self) -> tuple[str, ...]:
        """Return all tickers of the quote currency, from the metadata, as far as they are names."""
        rows = self._list(self.http.json(f"{self.url}/tiingo/crypto"), "metadata")
        tickers = [str(row.get("ticker", "")) for row in rows if row.get("quoteCurrency") == self.quote]
        # They are printed, and become names of folders.
        return tuple(sorted(ticker for ticker in tickers if _NAME.fullmatch(ticker)))

    def exchange_map(self, tickers: Sequence[str], day: datetime) -> dict[str, tuple[str, ...]]:
        """Return for each ticker the codes of the exchanges that had prices of it on that day (UTC)."""
        exchanges: dict[str, tuple[str, ...]] = {}
        for start in range(0, len(tickers), TICKERS_PER_CALL):
            requested = tickers[start : start + TICKERS_PER_CALL]
            for item in self._prices(requested, day, day + DAY, "1day"):
                by_exchange = item.get("exchangeData") or {}
                if not isinstance(by_exchange, dict):
                    raise VenueAnswerError(
                        f"{self.url} sent {brief(by_exchange)!r} for exchangeData instead of an object",
                        "nothing of it was used",
                    )
                ticker = str(item.get("ticker"))
                exchanges[ticker] = tuple(
                    sorted(code for code, bars in by_exchange.items() if self._traded_on(day, bars, ticker, code))
                )
        return {ticker: exchanges.get(ticker, ()) for ticker in tickers}

    def _traded_on(self, day: datetime, bars: Any, ticker: str, code: str) -> bool:  # noqa: ANN401 - the source's JSON
        """Return whether one of the bars is of that day: an answer has the bar of the range's end too."""
        try:
            times = [datetime.fromisoformat(bar["date"]) for bar in bars]
            return any(day <= (time if time.tzinfo else time.replace(tzinfo=UTC)) < day + DAY for time in times)
        except (LookupError, TypeError, ValueError) as error:
            what = f"{self.url} sent bars of {brief(ticker)} on {brief(code)} that cannot be read: {brief(error)}"
            raise VenueAnswerError(what, "nothing of it was used") from None

    def universe(self, day: datetime) -> tuple[str, ...]:
        """Return the short names of the coins that the exchange listed against the quote currency on that day."""
        tickers = self.tickers()
        where = self.exchange_map(tickers, day)
        return tuple(
            ticker.removesuffix(self.quote).upper() for ticker in tickers if self.exchange.upper() in where[ticker]
        )

    def list_assets(self) -> tuple[str, ...]:
        """Return the bases of all tickers; `universe` says which of them the exchange has."""
        return tuple(ticker.removesuffix(self.quote).upper() for ticker in self.tickers())

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Cut [since, until) into as many whole days as one answer holds."""
        start, step = since, _UNIT_DAYS[dataset] * DAY
        while start < until:
            end = min(start.replace(hour=0, minute=0, second=0, microsecond=0) + step, until)
            yield start, end
            start = end

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | UnitAnswer | None:
        """Return bars of this exchange alone, not Tiingo's mean over exchanges; None where it has none in the range.

        A bar without a close or a volume is a time without trades: it is left out with a remark. An answer as long as
        answers get proves only what lies between its first and last bar.
        """
        ticker = f"{asset.lower()}{self.quote}"
        answer = self._prices([ticker], since, until, _FREQUENCY[dataset])
        try:
            return self._bars(dataset, asset, answer, (since, until))
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError, DataError, PolarsError) as error:
            what = f"{self.url} sent prices of {ticker} that cannot be read: {type(error).__name__} {brief(error)}"
            raise VenueAnswerError(what, "nothing of them was stored") from None

    def _bars(
        self, dataset: str, asset: str, answer: Sequence[Mapping[str, Any]], unit: Span
    ) -> pl.DataFrame | UnitAnswer | None:
        ticker = f"{asset.lower()}{self.quote}"
        bars = [bar for item in answer for bar in (item.get("exchangeData") or {}).get(self.exchange.upper(), [])]
        if not bars:
            return None
        kind = DATASETS[dataset]
        traded = [bar for bar in bars if bar.get("close") is not None and bar.get("volume") is not None]
        if len(traded) < len(bars):
            first = next(bar for bar in bars if bar.get("close") is None or bar.get("volume") is None)
            self.remarks.note(
                asset,
                dataset,
                f"{len(bars) - len(traded)} of {len(bars)} bars without a close or a volume, such as that of "
                f"{brief(first.get('date'))}: times without trades",
            )
        names = {"date": "open_time", "volumeNotional": "volume_quote", "tradesDone": "trade_count"}
        rows = pl.DataFrame(
            [{names.get(key, key): bar.get(key) for key in _KEYS} for bar in traded], schema=_SCHEMA, orient="row"
        )
        time = pl.col("open_time").str.to_datetime(time_unit="us", time_zone="UTC").cast(INSTANT)
        timed = rows.with_columns(time).with_columns(history_known_at(kind))
        wanted, outside = leave_out_outside(kind, timed, unit, ticker)
        readable, unreadable, lacking = leave_out_unreadable(kind, wanted, ticker)
        conformed = kind.conform(readable).unique().sort("open_time")
        proven = subtract(unit, unreadable)
        if len(bars) >= _MOST_BARS:
            first, last = timed["open_time"].min(), timed["open_time"].max()
            assert isinstance(first, datetime)
            assert isinstance(last, datetime)
            proven = clip(proven, first, last + kind.known_after)
        if proven == (unit,) and not outside:
            return conformed
        return UnitAnswer(conformed, proven=proven, left_out=(*outside, *lacking))

    def _prices(self, tickers: Sequence[str], since: datetime, until: datetime, every: str) -> list[Mapping[str, Any]]:
        answer = self.http.json(
            f"{self.url}/tiingo/crypto/prices",
            {
                "tickers": ",".join(tickers),
                "startDate": f"{since:%Y-%m-%dT%H:%M:%SZ}",
                "resampleFreq": every,
                "endDate": f"{until:%Y-%m-%dT%H:%M:%SZ}",
                "includeRawExchangeData": "true",
            },
        )
        return self._list(answer, "prices")

    def _list(self, answer: Any, what: str) -> list[Mapping[str, Any]]:  # noqa: ANN401 - the source's JSON
        if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
            # A refusal is an object with a reason; null and all else is no matter of the token.
            remedy = "check the token" if isinstance(answer, dict) else "ask again later; the source may be in disorder"
            shown = "null" if answer is None else repr(str(answer)[:80])
            raise VenueAnswerError(f"{self.url} sent {shown} for {what} instead of a list", remedy)
        return answer


_KEYS = ("date", "open", "high", "low", "close", "volume", "volumeNotional", "tradesDone")
_SCHEMA = {
    "open_time": pl.String,
    **dict.fromkeys(("open", "high", "low", "close", "volume", "volume_quote", "trade_count"), pl.Float64),
}
