"""Equity curves of many lines in one figure: equal factors are equally high, and the legend is the ranking."""

import re
from datetime import timedelta

import polars as pl
import pytest

from tests.training.generated import START
from training.backtest.records import DECISION_SCHEMA, EQUITY_SCHEMA, TRADE_SCHEMA, BacktestResult
from training.reports.axes import choose_log_marks, make_log_axis
from training.reports.matplotlib_figures import draw_equity
from training.reports.ranked_equity import FLOOR, EquityCurve, draw_ranked_equity

TIMES = [START + timedelta(hours=place) for place in range(100)]


def curve(name, end, **more):
    return EquityCurve(name, TIMES, [end ** (place / 99) for place in range(100)], **more)


def test_the_same_factor_is_the_same_height():
    axis = make_log_axis([0.25, 4.0], "")
    assert axis.place(2.0) - axis.place(1.0) == pytest.approx(axis.place(1.0) - axis.place(0.5), abs=1)
    assert axis.place(0.001) == 0
    assert axis.place(99.0) == 1000
    assert {"0.5", "1", "2"} <= {tick.text for tick in axis.ticks}


@pytest.mark.parametrize(
    ("low", "high"), [(0.01, 3.0), (0.5, 2.4), (0.93, 1.07), (0.999, 1.001), (1e-2, 1e3), (0.2, 0.9), (0.97, 40.0)]
)
def test_ticks_are_round_few_and_inside(low, high):
    marks = choose_log_marks(low, high)
    assert 3 <= len(marks) <= 9
    assert all(low <= mark <= high for mark in marks)
    assert marks == sorted(marks)


def test_the_legend_is_the_ranking_with_what_is_left():
    figure = draw_ranked_equity([curve("c", 0.5), curve("a", 2.0), curve("b", 1.25)], 50)
    assert [shape.name for shape in figure.legend] == ["1. a +100.00%", "2. b +25.00%", "3. c -50.00%"]
    assert [shape.style for shape in figure.legend] == ["c0", "c1", "c2"]
    assert figure.tall


def test_of_many_lines_six_are_coloured_and_lie_on_the_others_and_the_coin_has_its_own():
    ends = [3.0, 2.5, 2.0, 1.9, 1.8, 1.7, 1.6, 0.4, 0.3]
    curves = [curve(f"n{place}", end, style=f"line-{place}", is_coin=place == 7) for place, end in enumerate(ends)]
    figure = draw_ranked_equity(curves[::-1], 50)
    styles = [shape.style for shape in figure.shapes if shape.path and shape.kind == "line"]
    assert [style.split()[0] for style in styles] == ["other", "coin", "other", "c5", "c4", "c3", "c2", "c1", "c0"]
    assert styles[0] == "other line-8"
    assert [shape.name.split(".")[0] for shape in figure.legend] == [str(rank) for rank in range(1, 10)]


def test_a_line_that_lost_everything_lies_on_the_edge_and_is_named():
    ruined = EquityCurve("gone", TIMES, [1.0] * 50 + [0.0] * 50)
    figure = draw_ranked_equity([curve("a", 1.5), ruined], 50)
    assert figure.y.low == pytest.approx(FLOOR / 1.03)
    assert "gone" in figure.note
    assert "2. gone -100.00%" in [shape.name for shape in figure.legend]
    assert not re.search("nan|inf", "".join(shape.path for shape in figure.shapes))


def test_without_hours_nothing_is_drawn():
    assert len(draw_ranked_equity([curve("idle", 1.0)], 50).y.ticks) >= 3
    assert draw_ranked_equity([], 50).lacks
    assert draw_ranked_equity([EquityCurve("a", TIMES[:1], [1.0])], 50).lacks


def test_the_picture_that_is_a_file_has_the_same_scale_and_ranking(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: (drawn.append(figure), path.touch()))
    ends = {"a": 2.0, "gone": 0.0, "b": 1.5, **{f"n{place}": 0.9 - place / 20 for place in range(5)}}
    results = {name: make_result([1.0, (1.0 + end) / 2, end]) for name, end in ends.items()}
    draw_equity(tmp_path / "equity.png", results)
    (figure,) = drawn
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [name.split()[1] for name in names] == ["a", "b", "n0", "n1", "n2", "n3", "n4", "gone"]
    assert names[0] == "1. a +100.00%"
    above, below = figure.axes
    assert above.get_yscale() == "log"
    assert min(min(line.get_ydata()) for line in above.lines) == FLOOR
    assert min(min(line.get_ydata()) for line in below.lines) == -100.0
    widths = [line.get_linewidth() for line in above.lines[:8]]
    assert min(widths[:6]) > max(widths[6:])


def test_a_backtest_that_has_no_hours_or_never_moves_is_a_picture(tmp_path):
    for name, worth in (("none", []), ("idle", [1.0] * 50)):
        draw_equity(tmp_path / f"{name}.png", {"model": make_result(worth)})
        assert (tmp_path / f"{name}.png").stat().st_size > 1_000


def make_result(worth):
    rows = [(time, 100.0 * value, 0.0, 0, 0.0, 0.0) for time, value in zip(TIMES, worth, strict=False)]
    return BacktestResult(
        initial_equity=100.0,
        trades=pl.DataFrame(schema=TRADE_SCHEMA),
        equity=pl.DataFrame(rows, schema=EQUITY_SCHEMA, orient="row"),
        decisions=pl.DataFrame(schema=DECISION_SCHEMA),
        unfilled_entries=0,
        funding_unknown_hours=0,
    )
