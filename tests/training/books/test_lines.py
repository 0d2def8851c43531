"""Notes about books: since when a book that learns holds anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pairity.books.families import BOOK_FAMILIES
from training.books.lines import note_begin

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
RANKER, FOREST = BOOK_FAMILIES["book_ranker"], BOOK_FAMILIES["pair_outcome_forest"]


@pytest.mark.parametrize(("family", "hours"), [(RANKER, 1), (RANKER, 24), (RANKER, 25), (FOREST, 1)])
def test_a_book_that_holds_from_its_first_decision_lacked_nothing(family, hours):
    assert note_begin(family, FIRST, FIRST + timedelta(hours=hours)) is None


def test_a_book_that_began_later_says_when_and_why():
    assert note_begin(RANKER, FIRST, FIRST + timedelta(days=40)) == (
        "book_ranker: nothing is held before 2024-04-10, for want of 365 days of decisions to learn from"
    )


def test_a_book_that_never_held_anything_says_why():
    note = note_begin(FOREST, FIRST, None)
    assert note is not None
    assert note.startswith("pair_outcome_forest: nothing is held, for want of 365 days of outcomes to learn from")
