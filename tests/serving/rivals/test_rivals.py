"""Who else is alive on the account, from ids and instants alone."""

from __future__ import annotations

from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from serving.journal import ID_PREFIX, Purpose, client_order_id, scope_tag
from serving.rivals.rivals import HELD_FOR, SILENT_FOR, Rivals
from serving.rivals.signs import LENGTH, Sign, is_sign, make_sign_id, read_sign
from tests.oracles.rivals import Seen, list_alive_slowly
from tests.serving.trading import T0

MINUTE = timedelta(minutes=1)
OURS, OTHERS = "ours", ("b", "c")


def rivals(process: str = "000000") -> Rivals:
    return Rivals(OURS, process, lambda name: name[8:16] == scope_tag(OURS))


def order_of(scope: str, purpose: Purpose = Purpose.ENTRY) -> str:
    return client_order_id(scope, "p", 0, purpose)


def test_a_sign_of_life_is_an_id_that_the_venue_takes() -> None:
    made = make_sign_id("b", "5e77d1", T0, held=True)
    assert len(made) == LENGTH <= 32
    assert made.isalnum()
    assert made.isascii()
    assert read_sign(made) == Sign(scope_tag("b"), "5e77d1", True)
    assert make_sign_id("b", "5e77d1", T0 + timedelta(seconds=1), held=True) != made


@pytest.mark.parametrize(
    "name", ["", "x", ID_PREFIX, f"{ID_PREFIX}l", f"{ID_PREFIX}l{'z' * 24}", order_of("b"), "é" * 32]
)
def test_what_is_no_sign_is_none(name: str) -> None:
    assert read_sign(name) is None
    assert is_sign(name) == name.startswith(f"{ID_PREFIX}l")
    known = rivals()
    known.see_order(name, T0)
    known.list_alive(T0)


def test_a_killed_process_holds_the_account_for_a_quarter_of_an_hour_and_one_that_left_no_longer() -> None:
    known = rivals()
    known.see_order(make_sign_id("b", "00000b", T0, held=True), T0)
    known.see_order(make_sign_id("c", "00000c", T0, held=True), T0)
    known.see_order(make_sign_id("c", "00000c", T0 + MINUTE, held=False), T0 + MINUTE)
    assert list(known.list_alive(T0 + 2 * MINUTE)) == [f"{scope_tag('b')} 00000b"]
    assert known.list_alive(T0 + HELD_FOR) == {}


def test_an_earlier_process_of_ours_is_no_rival_and_a_copy_of_our_journal_is_one() -> None:
    known = rivals("000002")
    known.see_order(make_sign_id(OURS, "000001", T0, held=True), T0)
    known.see_order(make_sign_id(OURS, "000002", T0 + MINUTE, held=True), T0 + MINUTE)
    assert known.list_alive(T0 + 2 * MINUTE) == {}
    assert not known.has_copy(T0 + 2 * MINUTE)
    known.see_order(make_sign_id(OURS, "000001", T0 + 5 * MINUTE, held=True), T0 + 5 * MINUTE)
    assert known.has_copy(T0 + 6 * MINUTE)
    assert "copy of this journal" in next(iter(known.list_alive(T0 + 6 * MINUTE).values()))


def test_a_stop_that_outlives_its_process_says_nothing() -> None:
    """The venue keeps it, and sends its order when it triggers, whoever lives."""
    known = rivals()
    known.see_resting(order_of("b", Purpose.PROTECT), T0)
    known.see_order(order_of("b", Purpose.PROTECT), T0 + SILENT_FOR)
    assert list(known.list_alive(T0 + MINUTE)) == [scope_tag("b")]
    assert known.list_alive(T0 + SILENT_FOR) == {}


EVENTS = st.lists(
    st.builds(
        lambda what, journal, process, minutes: Seen(what, journal, process, T0 + minutes * MINUTE),
        st.sampled_from(("held", "released", "order")),
        st.sampled_from((OURS, *OTHERS)),
        st.sampled_from(("000000", "000001")),
        st.integers(0, 200),
    ),
    max_size=12,
)


@given(EVENTS, st.integers(0, 320), st.none() | st.integers(0, 200), st.randoms())
def test_who_is_alive_is_what_the_whole_list_says_in_whatever_order_it_came(seen, minutes, forgiven, random):  # type: ignore[no-untyped-def]
    now, until = T0 + minutes * MINUTE, None if forgiven is None else T0 + forgiven * MINUTE
    known = rivals()
    if until is not None:
        known.forgive(until)
    random.shuffle(seen)
    for one in seen:
        if one.what == "order":
            known.see_order(order_of(one.journal), one.at)
        else:
            known.see_order(make_sign_id(one.journal, one.process, one.at, held=one.what == "held"), one.at)
    names = {scope_tag(journal): journal for journal in (OURS, *OTHERS)}
    found = {(names[name[:8]], name[9:]) for name in known.list_alive(now)}
    # An order adds nothing where a sign of its journal tells of it already, but its own name.
    assert found == list_alive_slowly(seen, (OURS, "000000"), now, until)
