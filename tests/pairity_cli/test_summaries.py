"""What people read at the end of a run."""

from __future__ import annotations

from ingestion.report import Stopwatch
from pairity_cli.summaries import describe_grid, show_hour_costs
from serving.report import DECISION, ServeReport


def read_rows(text: str) -> dict[str, list[float]]:
    rows = [line.rsplit(maxsplit=2) for line in text.splitlines() if line.strip() and line.strip()[-1].isdigit()]
    return {name.strip(): [float(number.replace(",", "")) for number in numbers] for name, *numbers in rows}


def test_an_hour_is_shown_by_step_wall_beside_processor(capsys):
    spent = Stopwatch(
        {"collect": 0.4, "decide": 0.2, DECISION: 1.0},
        {"collect": 0.1, "decide": 0.2, DECISION: 0.5},
    )
    show_hour_costs(ServeReport(cycles=2, spent=spent))
    shown = capsys.readouterr().out
    assert "per decision" in shown
    assert read_rows(shown) == {
        "collect": [200.0, 50.0],
        "decide": [100.0, 100.0],
        "between the steps": [200.0, 100.0],
        "all": [500.0, 250.0],
    }


def test_a_run_without_a_decision_has_nothing_to_divide(capsys):
    show_hour_costs(ServeReport())
    assert read_rows(capsys.readouterr().out)["all"] == [0.0, 0.0]


def test_a_grid_says_whether_its_settings_differ():
    assert describe_grid([0.0643] * 27, None).endswith("+6.43% with each of them: none can be called the best")
    assert describe_grid([-0.01, 0.02], None).endswith("-1.00% to +2.00%")
    assert "not above the median in the other in 57% of the splits" in describe_grid([-0.01, 0.02], 0.57)
