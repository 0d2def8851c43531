"""Whatever the table and the screen: no word of it is lost or broken, and no line sticks out for want of wrapping."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pairity_cli.table_layout import Look, Text, lay_out, measure, wrap

WORDS = st.text("abcXYZ019_@-/日", min_size=1, max_size=30)
PROSE = st.lists(WORDS, min_size=0, max_size=8).map(" ".join)
NUMBERS = st.integers(-(10**9), 10**12).map("{:,}".format)


@st.composite
def tables(draw):
    kinds = draw(st.lists(st.sampled_from(["prose", "word", "number"]), min_size=1, max_size=9))
    titles = [draw(st.lists(WORDS, min_size=1, max_size=3).map(" ".join)) for _ in kinds]
    count = draw(st.integers(0, 4))
    makers = {
        "prose": PROSE.map(Text),
        "word": WORDS.map(Text),
        "number": NUMBERS.map(lambda text: Text(text, is_right=True, is_whole=True)),
    }
    return titles, [[draw(makers[kind]) for kind in kinds] for _ in range(count)]


def draw_lines(titles, rows, width):
    return ["".join(text for text, _ in line).rstrip() for line in lay_out(titles, rows, width)]


@given(tables(), st.integers(20, 200))
def test_no_word_of_any_cell_is_lost_or_broken(table, width):
    titles, rows = table
    shown = "\n".join(draw_lines(titles, rows, width))
    drawn = re.split(r"[\s·]+", shown)
    for row in rows:
        for cell in row:
            for word in cell.text.split(" "):
                assert not word or word in drawn, (word, shown)


@given(tables(), st.integers(20, 200))
def test_a_line_is_too_wide_only_for_a_word_that_is(table, width):
    titles, rows = table
    words = [word for text in (*titles, *(cell.text for row in rows for cell in row)) for word in text.split(" ")]
    longest = max(map(measure, words))
    names = max((measure(row[0].text) for row in rows), default=0)
    for line in draw_lines(titles, rows, width):
        assert measure(line) <= max(width, 4 + longest, names, measure(titles[0])) or " · " not in line
        if longest <= width // 4 and names <= width // 4 and len(titles) <= 2:
            assert measure(line) <= width, line


@given(tables())
def test_without_a_width_every_row_is_one_line(table):
    titles, rows = table
    assert len(draw_lines(titles, rows, None)) == 2 + len(rows)


@given(PROSE, st.integers(5, 60))
def test_wrapped_text_reads_the_same(text, width):
    assert " ".join(wrap(text, width)) == text


def test_a_table_of_numbers_goes_on_in_panels_with_its_first_column():
    titles = ["family", *(f"measure{n}" for n in range(6))]
    row = [Text("forest"), *(Text("123,456,789", is_right=True, is_whole=True) for _ in range(6))]
    lines = draw_lines(titles, [row], 40)
    assert sum(line.startswith("forest") for line in lines) == sum(line.startswith("family") for line in lines) == 3


def test_what_does_not_fit_beside_a_row_is_named_below_it():
    titles = ["order", "state", "reason"]
    rows = [[Text("pairityec1f47b690d7be0ab3d137830"), Text("filled"), Text("the venue said so")]]
    assert draw_lines(titles, rows, 44)[2:] == [
        "pairityec1f47b690d7be0ab3d137830  filled",
        "    reason the venue said so",
    ]


def test_a_value_that_is_too_wide_stands_below_its_name():
    lines = draw_lines(["what", "value"], [[Text("sha256"), Text("f" * 64)], [Text("gate"), Text("passed")]], 66)
    assert lines[2:] == ["sha256", "    " + "f" * 64, "gate    passed"]


def test_colours_say_what_the_words_say():
    [*_, row] = lay_out(["", "check"], [[Text("✗ FAILED", Look.BAD), Text("net")]], 80)
    assert row[0] == ("✗ FAILED", Look.BAD)
