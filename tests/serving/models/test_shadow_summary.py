"""Champion beside challenger, against pandas and counting by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairity.strategy.types import PairAssessment
from pairity.universe import Pair
from pairity_cli.main import main
from serving.journal.journal import Journal
from serving.journal.records import DecisionRecord, ShadowRecord, decision_id
from serving.models.shadow_summary import summarise
from tests.serving.trading import RUN, T0, decision_of

PAIRS = ("BTC__ETH", "BTC__SOL", "ETH__SOL")
PROBABILITIES = st.lists(st.none() | st.floats(0, 1).map(lambda p: round(p, 3)), min_size=3, max_size=3)


def met(
    hour: int,
    champion: list[float | None],
    challenger: list[float | None],
    choice: str | None = None,
    versions: tuple[str, str] = ("1", "2"),
    failure: str | None = None,
) -> tuple[DecisionRecord, ShadowRecord]:
    """A decision whose z-scores are all 2, and what the challenger said of it."""
    scores = tuple(
        PairAssessment(
            pair=Pair.from_id(name),
            z=2.0,
            probability=value,
            divergence_score=None if value is None else 2 * value,
            rejected="probability unknown" if value is None else None if value > 0.5 else "too weak",
        )
        for name, value in zip(PAIRS, champion, strict=True)
    )
    plain = decision_of(at=T0 + timedelta(hours=hour))
    record = replace(plain, model_version=versions[0], decision=replace(plain.decision, scores=scores))
    said = {} if failure else dict(zip(PAIRS, challenger, strict=True))
    shadow = ShadowRecord(
        decision_id=record.decision_id,
        decision_time=record.decision_time,
        model_name="m",
        model_version=versions[1],
        model_sha256="f" * 64,
        probabilities=said,
        choice=choice,
        failure=failure,
    )
    return record, shadow


def write(journal: Journal, *all_met: tuple[DecisionRecord, ShadowRecord]) -> None:
    for record, shadow in all_met:
        journal.record_decision(record, [])
        journal.models.record_shadow(shadow)


def test_couples_of_versions_are_counted_apart(journal: Journal) -> None:
    write(
        journal,
        met(0, [0.6, 0.7, 0.2], [0.9, 0.6, 0.1], choice="BTC__ETH"),  # the champion's best is BTC__SOL
        met(1, [0.6, 0.2, 0.2], [0.9, 0.6, 0.1], choice="BTC__ETH"),
        met(2, [0.1, 0.2, None], [0.1, 0.2, 0.3]),
        met(3, [0.6, 0.2, 0.2], [], failure="not scored: a file is missing"),
        met(4, [0.6, 0.2, 0.2], [0.1, 0.1, 0.1], versions=("2", "3")),
    )
    first, second = summarise(journal)
    assert (first.champion, first.challenger, first.decisions, first.failed) == ("1", "2", 3, 1)
    assert (first.scores, first.other_choice, first.last_failure) == (8, 1, "not scored: a file is missing")
    assert first.other_share == pytest.approx(1 / 3)
    assert (second.champion, second.challenger, second.decisions, second.other_choice) == ("2", "3", 1, 1)
    assert second.correlation is None  # one of them never varies
    assert second.mean_difference == pytest.approx(0.1 - 1 / 3)


def test_only_failures(journal: Journal) -> None:
    write(journal, met(0, [0.6, 0.2, 0.2], [], failure="not scored"))
    (found,) = summarise(journal)
    assert (found.decisions, found.failed, found.other_share, found.correlation) == (0, 1, None, None)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PROBABILITIES, PROBABILITIES), min_size=1, max_size=6))
def test_correlation_and_difference_are_those_of_pandas(journal: Journal, hours: list) -> None:
    with journal._begin() as connection:
        connection.exec_driver_sql("DELETE FROM shadows")
        connection.exec_driver_sql("DELETE FROM decisions")
    write(journal, *(met(hour, *both) for hour, both in enumerate(hours)))
    (found,) = summarise(journal)
    frame = pd.DataFrame(
        {"a": [v for a, _ in hours for v in a], "b": [v for _, b in hours for v in b]}, dtype=float
    ).dropna()
    assert found.scores == len(frame)
    varies = len(frame) > 1 and frame["a"].nunique() > 1 and frame["b"].nunique() > 1
    if not varies:
        assert found.correlation is None
    else:
        assert found.correlation == pytest.approx(frame["a"].corr(frame["b"]), abs=1e-9)
    if len(frame):
        assert found.mean_difference == pytest.approx((frame["b"] - frame["a"]).mean(), abs=1e-12)
    else:
        assert found.mean_difference is None


def test_the_command_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"PAIRITY_HOME": str(tmp_path)}
    nothing = CliRunner().invoke(main, ["models", "--shadow"], env=environment)
    assert nothing.exit_code == 4
    journal = Journal.open(tmp_path / "journal.db", scope="test")
    journal.record_run(RUN)
    empty = CliRunner().invoke(main, ["models", "--shadow"], env=environment)
    assert (empty.exit_code, "no decision has a challenger's score" in empty.output) == (0, True)
    write(journal, met(0, [0.6, 0.7, 0.2], [0.9, 0.6, 0.1], "BTC__ETH"), met(1, [0.6, 0.2, 0.2], [], failure="broken"))
    journal.close()
    shown = CliRunner().invoke(main, ["models", "--shadow"], env=environment)
    assert shown.exit_code == 0, shown.output
    assert "100.00%" in shown.output
    assert "version 2, last failure: broken" in shown.output
    assert decision_id("test", T0) not in shown.output
    other = CliRunner().invoke(main, ["models", "9", "--shadow"], env=environment)
    assert "no decision has a challenger's score" in other.output
