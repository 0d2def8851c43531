"""The fault matrix: each situation during each operation, as docs/faults.md says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from pairity.margin import MarginMode
from paper_exchange.events.script import parse_event
from paper_exchange.faults.catalogue import CATALOGUE
from tests.e2e.running import paper_exchange
from tests.fault_matrix.feed import Feed
from tests.fault_matrix.operations import FEED
from tests.fault_matrix.playing import play_row, small_exchange
from tests.fault_matrix.situations import ALL, EVENTS, FAULTS, Situation
from tests.fault_matrix.table import COLUMNS, NO_SENSE, read_table, write_cell
from tests.soak.market import T0, WanderingMarket

SAMPLED = ("reset", "missing_51603", "zero_position_row", "suspend")
"""Faults that are played in isolated margin too, beside everything that persons do."""


def _is_sampled(row: Situation) -> bool:
    return row.fits_trading and (row.kind in ("person", "venue") or row.what in SAMPLED)


matrix = [pytest.mark.fault_matrix, pytest.mark.timeout(900)]
EVENT_KINDS = {"fault", "state", "change", "funding_hours", "delist", "maintenance", "clear_faults"}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with small_exchange(tmp_path_factory.mktemp("exchange")) as url:
        yield url


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    with paper_exchange("--seed", "11") as running:
        yield Feed(running, tmp_path_factory.mktemp("feed"))


def test_every_kind_of_fault_and_event_has_a_row() -> None:
    assert {row.what for row in FAULTS} == set(CATALOGUE)
    played = {name for row in EVENTS for event in row.script() for name in event}
    assert played >= EVENT_KINDS
    for row in EVENTS:
        for event in row.script():
            parse_event(event, WanderingMarket(1, 1), T0)


def test_the_table_has_every_row_and_says_where_one_makes_no_sense() -> None:
    table = read_table()
    assert list(table) == [row.name for row in ALL]
    for row in ALL:
        for column in COLUMNS:
            assert (table[row.name][column.name] == NO_SENSE) == (not column.fits(row)), (row.name, column.name)
        assert row.why_not or all(column.fits(row) for column in COLUMNS)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name, marks=matrix) for row in ALL if row.fits_trading])
def test_trading(row: Situation, exchange: str, tmp_path: Path) -> None:
    check_row(row, exchange, tmp_path, MarginMode.CROSS)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name, marks=matrix) for row in ALL if _is_sampled(row)])
def test_trading_in_isolated_margin(row: Situation, exchange: str, tmp_path: Path) -> None:
    check_row(row, exchange, tmp_path, MarginMode.ISOLATED)


def check_row(row: Situation, exchange: str, tmp_path: Path, margin: MarginMode) -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for operation, _, result, wrong in play_row(row, exchange, tmp_path, margin=margin):
        assert wrong == [], (operation.name, result)
        found[operation.name].append(write_cell(operation, result, row))
    expected = {name: cell for name, cell in read_table()[row.name].items() if name != "feed" and cell != NO_SENSE}
    assert {name: " / ".join(cells) for name, cells in found.items()} == expected


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name, marks=matrix) for row in ALL if FEED.fits(row)])
def test_feed(row: Situation, feed: Feed) -> None:
    cells = []
    for lasting in (False, True):
        result, wrong = feed.play(row, lasting=lasting)
        assert wrong == [], result
        cells.append(write_cell(FEED, result))
    assert " / ".join(cells) == read_table()[row.name]["feed"]
