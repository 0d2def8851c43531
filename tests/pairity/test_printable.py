"""What is printed is seen: nothing steers, reorders, hides or takes no room."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.printable import printable, printable_line

UNSEEN = {
    "escape sequence": "\x1b[2J",
    "C1 escape": "\x9b2J",
    "right to left": "\u202e",
    "isolate": "\u2066",
    "no width": "\u200b",
    "joiner": "\u034f",
    "selector": "\ufe0f",
    "further selector": "\U000e0100",
    "tag": "\U000e0041",
    "Hangul filler": "\u3164",
    "narrow filler": "\uffa0",
    "blank Braille": "\u2800",
    "Khmer vowel": "\u17b4",
    "line separator": "\u2028",
    "lone surrogate": "\ud800",
    "private use": "\ue000",
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_is_not_seen_is_written_out(name):
    shown = printable(f"BTC{UNSEEN[name]}ETH")
    assert shown.startswith("BTC\\")
    assert shown.isascii()


@given(st.text())
def test_nothing_else_is_changed(text):
    shown = printable(text)
    assert all(sign == "\n" or unicodedata.category(sign)[0] not in "CZ" or sign == " " for sign in shown)
    assert printable(shown) == shown
    assert "\n" not in printable_line(text)
    if text.isascii() and text.isprintable():
        assert shown == text
