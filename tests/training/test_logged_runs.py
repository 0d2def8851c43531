"""What stands in a real store of runs: names that say what differs, curves by their bars' time, the saved view."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from model_registry.connection import database_file, open_client
from pairity.errors import MissingDataError
from pairity.layout import Layout
from training import tracking
from training.reports import run_views
from training.reports.contents import read_run
from training.reports.run_lookup import find_known_run, find_newest_run, list_families
from training.reports.run_names import SUBJECT_TAG, name_run
from training.reports.run_views import DECIDING, VIEW_TAG, prepare_runs_page
from training.reports.score_files import find_run
from training.run_records import Curve, FamilyRun

FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
PARAMS = {"model.seed": 42, "model.n_estimators": 300, "label.kind": "touch", "universe.assets": ("BTC", "ETH")}


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return Layout(tmp_path_factory.mktemp("home"))


def log(layout, subject, hours=(FIRST, LAST), **changed):
    """Log a backtest under the name that it is given, and return the name."""
    params = PARAMS | {name.replace("__", "."): value for name, value in changed.items()}
    name = name_run(layout, tracking.BACKTESTS, subject, hours, params)
    record = FamilyRun(name=str(name), params=params, metrics={}, tags={SUBJECT_TAG: name.subject})
    tracking.log_backtest(layout, record)
    return str(name)


def test_names_say_days_and_what_differs_from_the_first_of_its_kind_and_no_two_are_the_same(layout):
    days = "2026-01-01 to 2026-02-01"
    assert log(layout, "rule always_revert") == f"rule always_revert {days}"
    assert log(layout, "rule always_revert") == f"rule always_revert {days} #2"
    assert log(layout, "rule always_revert", model__seed=7) == f"rule always_revert {days}, seed 7"
    assert log(layout, "rule always_revert", model__seed=7) == f"rule always_revert {days}, seed 7 #2"
    assert log(layout, "rule always_revert") == f"rule always_revert {days} #3"
    assert log(layout, "pair_forest") == f"pair_forest {days}"  # another kind has a first of its own
    later = (FIRST, LAST + timedelta(days=1))
    assert log(layout, "pair_forest", later) == "pair_forest 2026-01-01 to 2026-02-02"
    changed = {"model__seed": 1, "model__n_estimators": 500, "label__kind": "triple_barrier"}
    many = log(layout, "pair_forest", universe__assets=("BTC", "ETH", "SOL"), **changed)
    assert many == f"pair_forest {days}, seed 1, n_estimators 500, kind triple_barrier, 1 more"


@pytest.mark.parametrize("subject", ["o'brien", 'a "quoted" one', "50% stop", "back\\slash", "two\nlines", "x' OR 1"])
def test_a_name_that_could_end_a_question_to_the_store_does_not(layout, subject):
    first, second = log(layout, subject), log(layout, subject)
    assert second == f"{first} #2"
    assert not set(first) & set("'\"`\\%\n")
    long = log(layout, subject, universe__assets=tuple(f"'A{number}" for number in range(300)))
    assert "assets A0, A1" in long
    assert len(long) < 120


def test_without_a_store_a_name_has_no_ending_and_makes_none(tmp_path):
    empty = Layout(tmp_path / "home")
    assert str(name_run(empty, tracking.EXPERIMENT, "pair_forest", (FIRST, LAST), PARAMS)).startswith(
        "pair_forest 2026"
    )
    assert not database_file(empty).exists()


def test_a_curve_is_logged_by_the_time_of_its_bars_so_that_runs_lie_over_each_other(layout):
    times = [FIRST + timedelta(hours=hour) for hour in range(250)]
    curve = Curve("model_equity_usdt", times, [1000.0 + hour for hour in range(250)])
    record = FamilyRun(name="curve", params={}, metrics={"model_net_return": 0.5}, tags={}, curves=[curve])
    ids = [tracking.log_backtest(layout, replace(record, name=name)) for name in ("one", "other")]
    client = open_client(layout)
    for run_id in ids:
        points = sorted(client.get_metric_history(run_id, curve.name), key=lambda point: point.step)
        assert [point.timestamp for point in points] == [int(time.timestamp()) * 1000 for time in times]
        assert [point.step for point in points] == [int(time.timestamp()) // 3600 for time in times]
        assert [point.value for point in points] == list(curve.values)
        assert client.get_run(run_id).data.metrics == {"model_net_return": 0.5, curve.name: 1249.0}


def test_more_parameters_and_points_than_fit_into_one_batch_are_all_logged(layout):
    params = {f"section.{number}": number for number in range(230)}
    times = [FIRST + timedelta(hours=hour) for hour in range(1001)]
    curves = [Curve(name, times, [1.0] * 1001) for name in ("a", "b")]
    run_id = tracking.log_backtest(layout, FamilyRun(name="many", params=params, metrics={}, tags={}, curves=curves))
    client = open_client(layout)
    assert len(client.get_run(run_id).data.params) == 230
    assert [len(client.get_metric_history(run_id, name)) for name in ("a", "b")] == [1001, 1001]


def compare(layout, files, *, old):
    """Log a comparison of two families as this release does, or as earlier ones did; return the parent's id."""
    names = ("pair_forest", "btc")
    for kind in ("equity", "trades"):
        for name in names:
            (files / f"{kind}_{name}.csv").write_text("time,equity\n2025-01-01T00:00:00Z,10000.0\n")
    measures = {"net_return": 0.25, "final_equity_usdt": 12_500.0, "sharpe": 1.5}
    copies = {f"{name}_{key}": value for name in names for key, value in measures.items()} if old else {}
    summary = {"lines": 2.0, "lines_above_zero": 2.0}
    parent = FamilyRun(name="leaderboard", params={}, metrics=copies or summary, tags={}, artifacts=files)
    families = [
        FamilyRun(
            name=name if old else f"{name} 2026-01-01 to 2026-02-01",
            params={"family": name},
            metrics={f"model_{key}": value for key, value in measures.items()},
            tags={},
            folds=[{"fold_net_return": 0.1}, {"fold_net_return": 0.2}],
            fold_names=[f"{name} fold 1", f"{name} fold 2"],
        )
        for name in names
    ]
    return tracking.log_family_runs(layout, parent, families)


@pytest.mark.parametrize("old", [False, True], ids=["of this release", "of an earlier one"])
def test_a_comparison_is_read_back_whoever_wrote_it(layout, tmp_path, old):
    run_id = compare(layout, tmp_path, old=old)
    contents = read_run(layout, run_id)
    assert {line.key for line in contents.lines} == {"pair_forest", "btc"}
    assert all(line.metrics["net_return"] == 0.25 and line.initial_equity == 10_000.0 for line in contents.lines)
    assert find_run(layout, run_id, "btc")[1] == "btc"
    below = list_families(layout, find_known_run(layout, run_id).record)
    assert list(below) == ["pair_forest", "btc"]
    assert find_run(layout, run_id, "btc")[0] == below["btc"].info.run_id


@pytest.mark.parametrize("parents", [(), ("nobody",), ("circle",)])
def test_the_newest_run_is_found_whatever_stands_above_it(tmp_path, parents):
    own = Layout(tmp_path / "home")
    client = open_client(own)
    experiment = client.create_experiment("by hand")
    run_id = client.create_run(experiment).info.run_id
    for parent in parents:
        client.set_tag(run_id, "mlflow.parentRunId", run_id if parent == "circle" else "f" * 32)
    assert find_newest_run(own).run_id == run_id


def decode(page):
    """The query of the page's fragment, and the view that it names, as the page reads them."""
    fragment = urlsplit(page.path).fragment
    experiment = fragment.split("/")[2]
    return experiment, parse_qs(urlsplit(fragment).query)


def read_view(layout, experiment):
    tags = open_client(layout).get_experiment(experiment).tags
    described = json.loads(tags[VIEW_TAG])
    assert len(tags[VIEW_TAG]) < 5000  # MLflow's column
    return tags, described, json.loads(described["state"])


def test_the_page_is_that_of_the_newest_run_with_the_columns_that_decide(layout, tmp_path):
    parent = compare(layout, tmp_path, old=False)
    experiment, query = decode(prepare_runs_page(layout))
    assert query == {"workflowType": ["machine_learning"], "viewStateShareKey": ["decides"]}
    tags, described, view = read_view(layout, experiment)
    assert open_client(layout).get_experiment(experiment).name == tracking.LEADERBOARD
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert (described["name"], view["orderByKey"]) == ("What decides", "metrics.`model_net_return`")
    assert view["selectedColumns"] == [f"metrics.`{name}`" for name in DECIDING]
    assert parent in view["searchFilter"]
    found = open_client(layout).search_runs([experiment], view["searchFilter"])
    assert {run.data.params["family"] for run in found} == {"pair_forest", "btc"}  # neither parent nor folds
    log(layout, "newer")
    other, _ = decode(prepare_runs_page(layout))
    assert open_client(layout).get_experiment(other).name == tracking.BACKTESTS
    assert read_view(layout, other)[2]["searchFilter"] == ""


def test_an_experiment_of_an_earlier_release_gets_its_kind_and_nothing_is_written_twice(layout, monkeypatch):
    log(layout, "newest of all")
    client = open_client(layout)
    experiment = client.get_experiment_by_name(tracking.BACKTESTS).experiment_id
    client.delete_experiment_tag(experiment, "mlflow.experimentKind")
    page = prepare_runs_page(layout)
    assert read_view(layout, experiment)[0]["mlflow.experimentKind"] == "custom_model_development"
    before = database_file(layout).read_bytes()
    assert prepare_runs_page(layout) == page
    assert database_file(layout).read_bytes() == before


def test_a_store_that_cannot_be_written_is_shown_with_the_columns_of_mlflow(layout, monkeypatch):
    log(layout, "of a copy for reading")

    class ReadOnlyStore:
        def set_experiment_tag(self, *_):
            raise OSError("attempt to write a readonly database")

    opened = run_views.open_client
    real = iter([opened(layout)])
    monkeypatch.setattr(run_views, "open_client", lambda _: next(real, ReadOnlyStore()))
    page = prepare_runs_page(layout)
    assert "readonly" in page.trouble
    assert decode(page)[1] == {"workflowType": ["machine_learning"]}


@pytest.mark.parametrize("made", [False, True], ids=["no store", "a store without runs"])
def test_an_empty_store_has_no_page(tmp_path, made):
    empty = Layout(tmp_path / "home")
    if made:
        open_client(empty).search_experiments()
    with pytest.raises(MissingDataError, match="nothing stored yet"):
        prepare_runs_page(empty)
    assert database_file(empty).exists() == made


def test_an_experiment_that_is_not_the_newest_has_its_view_too(layout, tmp_path):
    parent = compare(layout, tmp_path, old=False)
    log(layout, "newer")
    newest, _ = decode(prepare_runs_page(layout))
    board = open_client(layout).get_experiment_by_name(tracking.LEADERBOARD).experiment_id
    assert board != newest
    assert parent in read_view(layout, board)[2]["searchFilter"]
