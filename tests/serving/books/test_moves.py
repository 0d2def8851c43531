"""What a decision asks for of each name, order by order; and the journal's record of it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pairity.strategy.types import Side
from serving.books.moves import close_all, list_moves
from serving.journal import BookName, BookRecord, Purpose
from serving.journal.book_records import book_from_json, book_to_json

CLOSE = datetime(2025, 4, 2, tzinfo=UTC)


def make_name(name, held, wanted):
    return BookName(
        name=name,
        score=0.1,
        volatility=None,
        wanted=1 / 3,
        target=0.1 + 0.2,
        weight=-1e-17,
        cause="enters",
        why="because",
        price=0.1 + 0.7,
        held=Decimal(held),
        contracts=Decimal(wanted),
    )


def make_book(*names):
    return BookRecord(
        decision_id="d1",
        family="trend_book",
        close=CLOSE,
        equity_usdt=1e5 / 3,
        names=names,
        steps=("gross limit: gross 1, at most 2",),
        pairs={("A", "B"): -1},
    )


@pytest.mark.parametrize(
    ("held", "wanted", "moves"),
    [
        ("0", "5", [(Purpose.INCREASE, Side.BUY, 5)]),
        ("2", "5", [(Purpose.INCREASE, Side.BUY, 3)]),
        ("-2", "-5.5", [(Purpose.INCREASE, Side.SELL, 3.5)]),
        ("5", "2", [(Purpose.REDUCE, Side.SELL, 3)]),
        ("-5", "0", [(Purpose.REDUCE, Side.BUY, 5)]),
        ("-5", "2", [(Purpose.REDUCE, Side.BUY, 5), (Purpose.INCREASE, Side.BUY, 2)]),
        ("5", "-2", [(Purpose.REDUCE, Side.SELL, 5), (Purpose.INCREASE, Side.SELL, 2)]),
        ("5", "5", []),
    ],
)
def test_a_name_is_reduced_before_it_is_increased(held, wanted, moves):
    found = list_moves(make_book(make_name("A", held, wanted)))
    assert [(move.purpose, move.side, float(move.contracts)) for move in found] == moves
    assert {move.position_id for move in found} <= {"A@20250402T0000Z"}


def test_all_reductions_come_first():
    found = list_moves(make_book(make_name("A", "0", "5"), make_name("B", "5", "0"), make_name("C", "-1", "1")))
    assert [(move.name, move.purpose.value) for move in found] == [
        ("B", "reduce"),
        ("C", "reduce"),
        ("A", "increase"),
        ("C", "increase"),
    ]


def test_everything_is_closed_under_a_name_of_its_own():
    found = close_all({"A": Decimal(5), "B": Decimal(-2)}, "flatten20250402T000001Z")
    assert [(move.position_id, move.side, move.contracts) for move in found] == [
        ("A@flatten20250402T000001Z", Side.SELL, 5),
        ("B@flatten20250402T000001Z", Side.BUY, 2),
    ]


def test_the_journal_returns_a_decision_to_the_last_bit():
    book = make_book(make_name("A", "0.10", "-5"), make_name("B", "5", "0"))
    again = book_from_json("d1", "trend_book", book_to_json(book))
    assert again == book
    assert str(again.names[0].held) == "0.10"
