"""What the writer has read is true until it writes: told again without reading, and never after a change."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import event

from pairity.errors import JournalError
from pairity.strategy.types import Leg, PairPosition, Side
from pairity.universe import Pair
from serving.journal import IntentState
from serving.journal.reading import ReadingJournal
from tests.serving.journal.intentions import intent as make_intent
from tests.serving.trading import T0


@pytest.fixture
def statements(journal):
    said = []
    event.listen(journal._database, "before_cursor_execute", lambda _c, _cur, text, *_: said.append(text))
    return said


def ask_everything(journal, intent):
    return (
        journal.intent(intent.client_order_id),
        journal.intents(intent.position_id),
        journal.unsettled(),
        journal.filled_entries_without_position(),
        journal.fills(intent.position_id),
        journal.open_positions(),
        journal.last_rescaling(intent.position_id, intent.instrument),
    )


def test_a_question_is_read_once_until_something_is_written(journal, statements):
    intent = journal.intend(make_intent())
    first = ask_everything(journal, intent)
    statements.clear()
    assert ask_everything(journal, intent) == first
    assert statements == []
    sent = journal.advance(intent.client_order_id, IntentState.SENT, T0, "sent")
    assert ask_everything(journal, intent)[:3] == (sent, [sent], [sent])
    assert len(statements) > 5


def test_an_answer_that_is_changed_by_its_reader_changes_no_other(journal):
    intent = journal.intend(make_intent())
    journal.intents(intent.position_id).clear()
    journal.unsettled().clear()
    assert journal.intents(intent.position_id) == journal.unsettled() == [intent]


def test_every_write_is_seen(journal):
    assert journal.open_positions() == []
    leg = Leg("BTC", Side.BUY, Decimal(1), 1.0, 0.9, 1.1)
    position = PairPosition("p1", Pair("BTC", "ETH"), 1, (leg,), T0, -1.5, 1.0, -1.5)
    journal.save_position(position)
    assert [record.position for record in journal.open_positions()] == [position]
    aged = replace(position, last_z=position.last_z + 1)
    journal.save_position(aged)
    assert [record.position for record in journal.open_positions()] == [aged]


def test_a_write_that_fails_is_not_recalled(journal):
    intent = journal.intend(make_intent())
    other = replace(intent, instrument="DOGE-USDT-SWAP")
    with pytest.raises(JournalError):
        journal.intend(other)
    assert journal.intents(intent.position_id) == [intent]


def test_what_is_read_beside_a_write_is_not_recalled_after_it(journal):
    """A page in another thread reads while this one writes: what it saw is of before."""
    intent = journal.intend(make_intent())
    before, read = [], journal._read_unsettled

    def read_and_be_overtaken():
        seen = read()
        if not before:
            before.extend(seen)
            writing = threading.Thread(
                target=journal.advance, args=(intent.client_order_id, IntentState.SENT, T0, "sent")
            )
            writing.start()
            writing.join()
        return seen

    journal._read_unsettled = read_and_be_overtaken
    assert [one.state for one in journal.unsettled()] == [IntentState.INTENDED]
    assert [one.state for one in journal.unsettled()] == [IntentState.SENT]


def test_a_reader_reads_every_time(journal):
    reader = ReadingJournal.connect(journal.path)
    assert reader.unsettled() == []
    intent = journal.intend(make_intent())
    assert reader.unsettled() == [intent]
    reader.close()
