"""`pairity books` over published hours: every family, after costs, noted as trials; what is missing is said."""

import json
import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.contract_specs import write_contracts
from feature_repo.offline_files import make_schema, publish
from pairity.layout import Layout
from pairity_cli.main import main
from tests.kept_homes import fill_home
from tests.training.generated import HOUR, START, spec
from tests.training.published import publish_books, settings_for

NAMES = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
HOURS = 2_400


def publish_hours(settings, hours=HOURS):
    key = "hours", settings.universe.model_dump_json(), hours
    fill_home(Layout.of(settings).root, key, lambda: _publish_hours(settings, hours))


def _publish_hours(settings, hours):
    rng = np.random.default_rng(5)
    times = [START + place * HOUR for place in range(1, hours + 1)]
    frames = []
    for place, asset in enumerate(settings.universe.assets):
        close = 10.0 * (place + 1) * np.exp(np.cumsum(rng.normal(0, 0.004 + 0.0005 * place, hours)))
        opened = np.concatenate([close[:1], close[:-1]])
        values = {name: pl.Series([None] * hours, dtype=pl.Float64) for name in ASSET_HOURLY.feature_names}
        values |= {
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume_base": np.full(hours, 1e4),
        }
        frames.append(
            pl.DataFrame({"asset": [asset] * hours, "event_timestamp": times, **values}).with_columns(
                (pl.col("event_timestamp") + timedelta(milliseconds=1)).alias("created_timestamp")
            )
        )
    layout = Layout.of(settings)
    rows = pl.concat(frames).select(ASSET_HOURLY.columns)
    publish(layout, ASSET_HOURLY, rows.cast(dict(make_schema(ASSET_HOURLY))))
    publish_books(layout, settings.universe.assets)
    write_contracts(layout, [spec(asset, ct_val="0.01", lot="0.01") for asset in settings.universe.assets])
    (layout.features / "snapshot.json").write_text(json.dumps({"snapshot_id": "5" * 64}))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    environment = {
        "PAIRITY_HOME": str(tmp_path / "var"),
        "PAIRITY_UNIVERSE__ASSETS": json.dumps(NAMES),
        "PAIRITY_TRIALS__FOLDER": str(tmp_path / "trials"),
    }
    return lambda *words: CliRunner().invoke(main, ["books", *words], env=environment)


@pytest.fixture
def stored(tmp_path):
    settings = settings_for(tmp_path / "var", NAMES)
    publish_hours(settings)
    return settings


def test_families_are_shown_with_errors_years_and_circumstances(run, stored):
    result = run("--family", "trend_book", "--csv")
    assert result.exit_code == 0, result.output
    for text in ("trend_book", "costs × 2", "costs × 3", "filled a day later", "decided at 06:00 UTC", "BTC"):
        assert text in result.output
    assert "too short a span to say: trend_book" in result.output  # ten days
    path = next(Path(stored.home, "reports", "books").glob("*[0-9].parquet"))
    assert pl.read_parquet(path)["family"].unique().to_list() == ["trend_book"]


def test_quarters_placebos_and_capital_are_shown_and_decisions_written(run, stored):
    result = run("--family", "trend_book", "--csv")
    for text in ("2025-Q2", "the same names throughout", "anew at each decision", "100000000", "decided at 03:00 UTC"):
        assert text in result.output.replace(",", ""), text
    path = next(Path(stored.home, "reports", "books").glob("*-decisions.parquet"))
    decisions = pl.read_parquet(path)
    assert set(decisions["cause"]) >= {"enters"}
    assert decisions.filter(pl.col("target") != 0)["why"].str.starts_with("score ").all()


def test_limits_of_the_settings_are_steps_of_decisions_and_another_trial(run, stored, tmp_path, monkeypatch):
    run("--family", "trend_book")
    monkeypatch.setenv("PAIRITY_BOOKS__GROSS_MAX", "0.4")
    monkeypatch.setenv("PAIRITY_BOOKS__VOLATILITY_TARGET", "0.1")
    result = run("--family", "trend_book")
    assert result.exit_code == 0, result.output
    path = next(Path(stored.home, "reports", "books").glob("*-decisions.parquet"))
    why = pl.read_parquet(path).filter(pl.col("target") != 0)["why"]
    assert why.str.contains(r"gross limit × 0\.[45]\d* \(gross").all(), why.unique().to_list()
    assert why.str.contains("volatility target: as it is").all()  # ten days are not sixty
    names = {json.loads(line)["name"] for line in (tmp_path / "trials" / "trials.jsonl").read_text().splitlines()}
    assert {"trend_book", "trend_book within volatility 0.1, gross 0.4"} <= names
    monkeypatch.setenv("PAIRITY_BOOKS__GROSS_MAX", "-1")
    refused = run("--family", "trend_book")
    assert refused.exit_code == 2
    assert "gross_max" in refused.output


def test_limit_orders_first_are_another_book_and_say_how_much_they_filled(run, stored, tmp_path):
    plain, limits = (run("--family", "trend_book", *words, "--csv") for words in ((), ("--limit-first",)))
    assert limits.exit_code == 0, limits.output
    assert "by limit orders" not in plain.output
    assert "% of what was traded by limit orders" in limits.output
    names = {json.loads(line)["name"] for line in (tmp_path / "trials" / "trials.jsonl").read_text().splitlines()}
    assert {"trend_book", "trend_book by limit orders first", "trend_book by limit orders first, costs × 2"} <= names


def test_a_page_shows_all_books_and_the_coin_in_one_figure(run, stored):
    result = run("--family", "trend_book", "--family", "carry_book")
    assert result.exit_code == 0, result.output
    page = next(Path(stored.home, "reports", "books").glob("*.html"))
    assert str(page) in result.output
    text = page.read_text()
    assert "equity / start, log scale" in text
    assert "BTC, held" in text
    for name in ("trend_book", "carry_book"):
        assert re.search(rf"<i></i>\d\. {name} [+-]?\d", text)
    assert not re.search(r"""<script|(src|href)\s*=|https?:""", text)


def test_a_ruined_book_is_shown_and_counted(run, stored, tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_COSTS__TAKER_FEE_BPS", "20000")
    result = run("--family", "trend_book", "--csv")
    assert result.exit_code == 0, result.output
    assert re.search(r"trend_book,-1(\.0*)?,", result.output), result.output
    assert "trend_book is ruined at 2025-" in result.output
    names = [json.loads(line)["name"] for line in (tmp_path / "trials" / "trials.jsonl").read_text().splitlines()]
    assert "trend_book" in names


def test_a_run_is_noted_as_trials_once(run, stored):
    first, again = (run("--family", "carry_book", "--json") for _ in range(2))
    assert first.exit_code == again.exit_code == 0
    assert first.stdout == again.stdout  # how long it took is said beside it


def test_a_name_may_be_left_out(run, stored):
    result = run("--family", "trend_book", "--in-depth")
    assert result.exit_code == 0, result.output
    assert "without one name: lowest" in result.output


@pytest.mark.parametrize(
    ("words", "what", "code"),
    [
        (["--family", "trend_bok"], "trend_book", 2),
        (["--since", "yesterdayish"], "--since", 2),
        (["--since", "2027-01-01"], "no bar from 2027-01-01 00:00 UTC on is stored", 2),
    ],
)
def test_what_cannot_be_asked_is_named(run, stored, words, what, code):
    result = run(*words)
    assert result.exit_code == code, result.output
    assert what in result.output


def test_an_empty_store_and_a_short_history_are_said(run, tmp_path):
    result = run()
    assert result.exit_code == 4, result.output
    publish_hours(settings_for(tmp_path / "var", NAMES), 300)
    result = run()
    assert result.exit_code == 4, result.output
    assert "2,160 hourly bars" in result.output


def test_combined_books_say_whence_their_weights_are_and_a_comparison_what_it_is(run, stored):
    words = [word for name in ("pair_outcome_boosting", "combined_equal", "picked_past") for word in ("--family", name)]
    result = run(*words, "--csv")
    assert result.exit_code == 0, result.output
    output = " ".join((result.output + result.stderr).split())
    assert "pair_outcome_boosting: nothing is held, for want of 365 days of outcomes to learn from" in output
    assert "picked_past: for comparison alone" in output
    path = next(Path(stored.home, "reports", "books").glob("*-decisions.parquet"))
    rows = pl.read_parquet(path).filter(pl.col("target") != 0)
    why = rows.filter(pl.col("family") == "combined_equal")["why"]
    assert why.str.contains("of trend_book").any()
    assert not why.str.contains("held to").any()
