"""`pairity registrations`: fixed before the look, looked at once, refused a second time without a reason."""

import json
import tomllib

import pytest
from click.testing import CliRunner

from model_registry.connection import open_client
from pairity.evaluation_settings import TrialSettings
from pairity.layout import Layout
from pairity_cli.main import main
from tests.pairity_cli.test_books import HOURS, NAMES, publish_hours
from tests.training.generated import HOUR, START
from tests.training.published import NOW, settings_for
from training.books.registrations import read_registrations
from training.reports.contents import read_run
from training.trials.ledger import TrialLedger
from training.trials.records import LookRecord

FIRST, LAST = START + (HOURS - 150) * HOUR, START + (HOURS - 20) * HOUR
WORDS = ("--first", FIRST.isoformat(), "--last", LAST.isoformat(), "--expects", 'a Sharpe ratio of "1" \\ more')


@pytest.fixture
def stored(tmp_path):
    settings = settings_for(tmp_path / "var", NAMES)
    publish_hours(settings)
    return settings


@pytest.fixture
def run(tmp_path, monkeypatch, stored):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    environment = {
        "PAIRITY_HOME": str(tmp_path / "var"),
        "PAIRITY_UNIVERSE__ASSETS": json.dumps(NAMES),
        "PAIRITY_TRIALS__FOLDER": str(tmp_path / "trials"),
    }
    return lambda *words, **more: CliRunner().invoke(main, ["registrations", *words], env={**environment, **more})


def test_a_book_is_registered_looked_at_once_and_again_only_with_a_reason(run, stored, tmp_path):
    added = run("add", "trend_book", *WORDS)
    assert added.exit_code == 0, added.output
    path = tmp_path / "trials" / "registrations" / "trend_book-1.toml"
    written = tomllib.loads(path.read_text())
    assert written["expects"] == WORDS[-1]
    assert written["definition"]["names"] == "12"
    assert path.stat().st_mode & 0o077 == 0
    assert "not yet" in run("list", "--csv").output

    first = run("look", "trend_book")
    assert first.exit_code == 0, first.output
    assert "look 1" in first.output
    ledger = TrialLedger(tmp_path / "trials")
    (look,) = ledger.read().looks
    assert (look.first, look.last, look.reason) == (FIRST, LAST, "")
    (series,) = ledger.read().series
    assert series.records[0].at == look.at
    assert len(series.hours) == (LAST - FIRST) // HOUR + 1

    again = run("look", "trend_book")
    assert again.exit_code == 2, again.output
    assert "not untouched" in again.output
    assert "--reason" in again.output
    assert len(ledger.read().looks) == 1
    third = run("look", "trend_book", "--reason", "the first had a bug")
    assert third.exit_code == 0, third.output
    assert "look 2" in third.output
    assert [one.reason for one in ledger.read().looks] == ["", "the first had a bug"]
    assert len(ledger.read().series) == 1  # the same trial
    assert "the first had a bug" in run("list", "--csv").output

    layout = Layout.of(stored)
    client = open_client(layout)
    runs = client.search_runs([client.get_experiment_by_name("backtests").experiment_id])
    assert sorted(one.data.tags["look"] for one in runs) == ["1", "2"]
    assert look.at.isoformat() in {one.data.tags["looked_at"] for one in runs}
    (line,) = read_run(layout, runs[0].info.run_id).lines
    assert line.name == "registered book: trend_book-1"


def take_look(tmp_path, settings, family):
    """Write a look into the ledger, as the look itself does."""
    (one,) = read_registrations(
        settings.model_copy(update={"trials": TrialSettings(folder=tmp_path / "trials")}), family
    )
    TrialLedger(tmp_path / "trials").record_look(LookRecord(one.line, NOW, one.first, one.last, {}, ""))


def test_a_registration_stays_until_it_was_looked_at(run, stored, tmp_path):
    assert run("add", "trend_book", *WORDS).exit_code == 0
    second = run("add", "trend_book", *WORDS)
    assert second.exit_code == 2
    assert "was not looked at" in second.output
    assert run("add", "carry_book", *WORDS).exit_code == 0
    take_look(tmp_path, stored, "trend_book")
    assert run("add", "trend_book", *WORDS).exit_code == 0
    assert "trend_book-2" in run("list", "--csv").output


def test_a_study_leaves_registered_hours_alone_and_the_look_knows_who_did_not(run, tmp_path):
    assert run("add", "carry_book", *WORDS).exit_code == 0
    environment = {"PAIRITY_TRIALS__FOLDER": str(tmp_path / "trials"), "PAIRITY_HOME": str(tmp_path / "var")}
    environment["PAIRITY_UNIVERSE__ASSETS"] = json.dumps(NAMES)
    words = ["books", "--family", "trend_book"]
    spared = CliRunner().invoke(main, words, env=environment)
    assert spared.exit_code == 0, spared.output
    assert "the look at carry_book-1 is not taken yet" in spared.output
    book = TrialLedger(tmp_path / "trials").read()
    assert max(record.run.last for one in book.series for record in one.records) == FIRST - HOUR
    done = CliRunner().invoke(main, [*words, "--whole"], env=environment)
    assert done.exit_code == 0, done.output
    refused = run("look", "carry_book")
    assert refused.exit_code == 2
    assert "of books looked at them" in refused.output


def test_another_book_is_not_the_registered_one(run):
    assert run("add", "trend_book", *WORDS).exit_code == 0
    for name, value, said in (
        ("PAIRITY_BOOKS__GROSS_MAX", "0.5", "limits is gross 0.5, margin 0.99, registered was margin 0.99"),
        ("PAIRITY_COSTS__TAKER_FEE_BPS", "1", "fee_bps is 1.0, registered was 5.0"),
        ("PAIRITY_UNIVERSE__ASSETS", json.dumps(NAMES[:-1]), "universe is "),
    ):
        refused = run("look", "trend_book", "--reason", "it is better", **{name: value})
        assert refused.exit_code == 2, refused.output
        assert said in refused.output


def test_changed_code_needs_a_reason(run, monkeypatch):
    assert run("add", "trend_book", *WORDS).exit_code == 0
    monkeypatch.setattr("training.books.last_look.digest_book_code", lambda: "another")
    refused = run("look", "trend_book")
    assert refused.exit_code == 2
    assert "the code of books has changed since" in refused.output


def test_what_ends_before_a_look_is_named_and_nothing_else(run, tmp_path):
    assert run("add", "trend_book", *WORDS).exit_code == 0
    refused = run("look", "trend_book", "--delisted", "btc")
    assert refused.exit_code == 2, refused.output
    assert "BTC did not end before" in refused.output
    assert TrialLedger(tmp_path / "trials").read().looks == ()


def test_an_edited_file_is_named(run, tmp_path):
    assert run("add", "trend_book", *WORDS).exit_code == 0
    path = tmp_path / "trials" / "registrations" / "trend_book-1.toml"
    text = path.read_text()
    for edited in (text.replace('"12"', '"14"'), text[:40], text.replace("number = 1", 'number = "x"')):
        path.write_text(edited)
        for words in (["look", "trend_book"], ["list"], ["add", "trend_book", *WORDS]):
            refused = run(*words)
            assert refused.exit_code != 0
            assert "is not as it was written" in refused.output
            assert str(path) in refused.output.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["look", "trend_book"], "trend_book is not registered", 4),
        (["look", "trend_bok"], "did you mean 'trend_book'", 2),
        (["add", "trend_bok", *WORDS], "did you mean 'trend_book'", 2),
        (
            ["add", "trend_book", "--first", LAST.isoformat(), "--last", FIRST.isoformat(), "--expects", "x"],
            "earlier",
            2,
        ),
        (
            ["add", "trend_book", "--first", "2025-01-01T00:30", "--last", "2025-02-01", "--expects", "x"],
            "2025-01-01 00:30",
            2,
        ),
    ],
)
def test_what_cannot_be_is_named(run, words, said, code):
    result = run(*words)
    assert result.exit_code == code, result.output
    assert said in result.output


def test_a_look_waits_for_its_hours(run, tmp_path):
    later = (START + (HOURS + 50) * HOUR).isoformat()
    assert run("add", "trend_book", "--first", FIRST.isoformat(), "--last", later, "--expects", "x").exit_code == 0
    refused = run("look", "trend_book")
    assert refused.exit_code == 4, refused.output
    assert f"to {START + HOURS * HOUR:%Y-%m-%d %H:%M} UTC" in refused.output
    assert TrialLedger(tmp_path / "trials").read().looks == ()


def test_learnt_and_combined_books_can_be_registered_and_a_comparison_cannot(run, tmp_path):
    for family in ("pair_outcome_forest", "combined_shrunk"):
        added = run("add", family, *WORDS)
        assert added.exit_code == 0, added.output
    path = tmp_path / "trials" / "registrations" / "combined_shrunk-1.toml"
    assert "pair_outcome_boosting" in tomllib.loads(path.read_text())["definition"]["members"]
    refused = run("add", "picked_past", *WORDS)
    assert refused.exit_code != 0
    assert "picked_past is no book to trade" in refused.output
    assert "combined_shrunk" in refused.output
    assert not (tmp_path / "trials" / "registrations" / "picked_past-1.toml").exists()
