"""Rows of the venue as numbers and instants; what breaks the protocol is refused and shown."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from feature_repo.raw_datasets import DATASETS
from ingestion.sources.okx_endpoints import HISTORIES
from ingestion.sources.okx_rows import OkxRows, read_funding, read_listing, read_whole_number
from ingestion.sources.protocol import ANSWER
from pairity.errors import DataError, VenueAnswerError

CANDLE = ["1742317080000", "82000.1", "82010", "81990.5", "82005", "1234", "12.34", "1012000.5", "1"]
SWAP = {
    "instId": "BTC-USDT-SWAP",
    "ctVal": "0.01",
    "lotSz": "0.01",
    "minSz": "0.01",
    "tickSz": "0.1",
    "lever": "100",
    "maxMktSz": "",
    "state": "live",
}


LATER = datetime(2030, 1, 1, tzinfo=UTC)


def with_cell(at: int, value: str) -> list[str]:
    return [value if index == at else cell for index, cell in enumerate(CANDLE)]


def read_candles(dataset: str, rows: list[list[str]]):
    return HISTORIES[dataset].read([OkxRows(rows, 1.0, LATER)]).drop(ANSWER)


def read_rates(rows: list[dict[str, str]]):
    return read_funding([OkxRows(rows, 1.0, LATER)])


def test_a_candle_is_labelled_by_its_open_and_known_after_its_close():
    rows = read_candles("candles_1m", [CANDLE]).to_dicts()
    opened = datetime(2025, 3, 18, 16, 58, tzinfo=UTC)
    assert rows == [
        {
            "open_time": opened,
            "open": 82000.1,
            "high": 82010.0,
            "low": 81990.5,
            "close": 82005.0,
            "volume": 12.34,
            "volume_quote": 1012000.5,
            "trade_count": None,
            "taker_buy_volume": None,
            "known_at": opened.replace(minute=59, microsecond=1000),
        }
    ]
    assert read_candles("candles_1h", [CANDLE])["known_at"].item().minute == 58


def test_a_candle_without_quote_volume_has_none():
    assert read_candles("candles_1m", [with_cell(7, "")])["volume_quote"].to_list() == [None]


@pytest.mark.parametrize("row", [with_cell(4, ""), with_cell(1, "n/a"), CANDLE[:6]])
def test_a_broken_candle_is_refused(row):
    with pytest.raises(VenueAnswerError):
        read_candles("candles_1m", [row])


def test_no_rows_have_the_right_columns():
    dataset = DATASETS["candles_1m"]
    assert read_candles("candles_1m", []).schema == dataset.conform(read_candles("candles_1m", [])).schema
    assert read_rates([]).height == 0
    with pytest.raises(DataError, match="lack the columns"):
        dataset.conform(read_rates([]))


def test_the_realized_rate_counts_and_the_announced_one_where_there_is_none():
    both = {"fundingTime": "1742313600000", "fundingRate": "0.0001", "realizedRate": "0.0002"}
    older = {"fundingTime": "1742284800000", "fundingRate": "-0.00003", "realizedRate": ""}
    assert read_rates([both, older])["funding_rate"].to_list() == [-0.00003, 0.0002]
    with pytest.raises(VenueAnswerError, match="empty fields"):
        read_rates([{"fundingTime": "1742313600000"}])


@pytest.mark.parametrize(("key", "row"), [(0, []), (0, {"ts": 1}), ("fundingTime", ["1"])])
def test_a_row_without_a_time_is_refused(key, row):
    with pytest.raises(VenueAnswerError, match="without a time"):
        read_whole_number(row, key)


def test_a_listing_keeps_decimals_and_state():
    listing = read_listing(SWAP)
    assert listing.state == "live"
    assert (listing.spec.ct_val, listing.spec.tick_sz) == (Decimal("0.01"), Decimal("0.1"))
    assert listing.spec.max_market_sz is None
    assert read_listing({**SWAP, "maxMktSz": "12000"}).spec.max_market_sz == Decimal(12000)
    assert listing.spec.max_stop_sz is None
    assert read_listing({**SWAP, "maxStopSz": "9000.00"}).spec.max_stop_sz == Decimal(9000)


@pytest.mark.parametrize("row", [{**SWAP, "ctVal": ""}, {key: value for key, value in SWAP.items() if key != "lotSz"}])
def test_a_listing_without_its_sizes_is_refused(row):
    with pytest.raises(VenueAnswerError, match="BTC-USDT-SWAP"):
        read_listing(row)
