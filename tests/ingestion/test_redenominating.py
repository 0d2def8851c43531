"""A redenomination through ingestion: held as a jump, repaired by a factor, and then as if it had never been."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import CREATED_TIME, VIEWS
from feature_repo.redenominations import Redenomination, Units, read_redenominations, read_units, store_redenomination
from feature_repo.transforms.division import divide
from ingestion.admission_record import AdmissionRecord
from ingestion.due_months import MonthLedger
from ingestion.feature_admission import FeatureAdmission
from ingestion.publishing import Publisher
from ingestion.redenominating import redenominate
from ingestion.withheld import WithheldRows, make_reader
from pairity.errors import ConfigError, LakeCorruptError, UnknownNameError
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity.timeline import month_start
from pairity_cli.main import main
from tests.ingestion.injected import ASSETS, HOUR, SINCE, UNTIL, Run, change
from training.readiness import note_mixed_units
from validation.lookahead import prove
from validation.quarantine import read_items

pytestmark = pytest.mark.slow
AT = datetime(2025, 3, 22, 8, 0, tzinfo=UTC)
NOW = UNTIL + HOUR
PRICES, COINS = ("open", "high", "low", "close"), ("volume", "taker_buy_volume")


def in_units(first: datetime, last: datetime, factor: float):
    values = {name: pl.col(name) * factor for name in PRICES} | {name: divide(pl.col(name), factor) for name in COINS}
    return change(first, last, **values)


def counted_anew(asset="SOL", factor=1000.0):
    """What the venue gives: from AT on, prices a thousand times as high."""
    return {f"{asset}_candles_1m": in_units(AT, UNTIL, factor)}


def entry(factor=1000.0, at=AT, asset="SOL", reason="announced by the venue"):
    return Redenomination(asset=asset, at=at, factor=factor, stored_at=NOW, reason=reason)


def publish(run: Run, now=NOW) -> Publisher:
    with run.lake.writing():
        publisher = Publisher(settings=run.settings, lake=run.lake, store=run.store)
        publisher.publish_due(FeatureAdmission(AdmissionRecord(run.settings, now)), UNTIL, now, SilentProgress())
    return publisher


def test_history_with_a_factor_has_the_features_of_a_venue_that_always_counted_so(tmp_path):
    held = Run(tmp_path / "held", **counted_anew())
    held.ingest()
    assert {(item.dataset, item.rules) for item in read_items(held.layout)} == {("candles_1m", ("price_jump",))}
    assert held.view("asset_hourly").filter(pl.col("event_timestamp") > AT, asset="SOL").is_empty()
    done = redenominate(held.settings, "okx", entry(), "then")
    assert (done.is_new, len(done.released), done.kept) == (True, 1, ())
    assert "redenominated by 1000 from 2025-03-22 08:00 UTC on: announced" in done.released[0].item.journal[-1].reason
    shutil.rmtree(held.layout.features)
    publish(held)
    # The oracle: prices before the instant times a thousand, by hand; those after it as the venue gives them.
    always = Run(tmp_path / "always", SOL_candles_1m=in_units(SINCE, UNTIL, 1000.0))
    always.ingest()
    assert note_mixed_units(held.settings) == []
    for name in VIEWS:
        assert held.view(name).equals(always.view(name)), name
    read = make_reader(held.settings, held.lake, WithheldRows.of(held.layout, held.lake))
    proof = prove(read, month_start(SINCE), AT + 2 * HOUR, held.settings, [AT - HOUR], views=("asset_hourly",))
    assert proof.leaks == ()
    # What the venue gave stays in the lake, and rows that come again are no jump.
    assert held.raw("candles_1m", "SOL").filter(pl.col("open_time") < AT)["close"].max() < 1000
    again = held.ingest()
    assert again.quarantined == []


def test_features_that_are_stored_become_corrections_known_from_now_on(tmp_path):
    run = Run(tmp_path, **counted_anew("ETH", 0.01))
    run.ingest()
    before = run.view("asset_hourly").filter(asset="ETH")
    redenominate(run.settings, "okx", entry(0.01, asset="ETH"))
    publish(run)
    after = run.view("asset_hourly").filter(asset="ETH").head(before.height)
    assert after["close"].to_list() == [price * 0.01 for price in before["close"]]
    volatility = "realized_vol_24h"
    assert after[volatility].drop_nulls().to_list() == pytest.approx(before[volatility].drop_nulls().to_list())
    assert after[CREATED_TIME].min() >= NOW
    assert ["ETH was redenominated" in note for note in note_mixed_units(run.settings)] == [True]
    # Other assets have no second version.
    assert run.view("asset_hourly").filter(asset="BTC")[CREATED_TIME].max() < NOW


def test_months_before_are_due_again_those_that_do_not_reach_back_are_not_and_a_withdrawn_factor_is_none(tmp_path):
    run = Run(tmp_path)
    run.ingest()
    ledger = MonthLedger(run.layout)

    def due(units):
        return len(ledger.list_due(run.settings, run.lake, UNTIL, units=units))

    assert due(()) == 0
    units = read_units(run.layout, "okx")
    assert units.list_inputs(ASSETS) == ()
    step = Units((entry(),))
    assert due(step.list_inputs(ASSETS)) == 1
    assert due(step.list_inputs(("BTC",))) == 0
    old = Units((entry(at=datetime(2024, 1, 5, tzinfo=UTC)),))
    assert due(old.list_inputs(ASSETS)) == 0
    assert store_redenomination(run.layout, "okx", entry()) is True
    assert store_redenomination(run.layout, "okx", entry()) is False
    assert store_redenomination(run.layout, "okx", entry(1.0, reason="it was none")) is True
    assert read_units(run.layout, "okx").steps == ()
    assert [item.factor for item in read_redenominations(run.layout, "okx")] == [1000.0, 1.0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (entry(0.001), "does not fit candles_1m of SOL"),
        (entry(10.0), "about 1000"),
        (entry(at=AT + 2 * HOUR), "does not fit"),
        (entry(float("inf")), "is not between"),
        (entry(float("nan")), "is not between"),
        (entry(0.0), "is not between"),
        (entry(-5.0), "is not between"),
        (entry(at=AT.replace(second=30)), "no whole minute"),
        (entry(at=NOW + HOUR), "no whole minute between 2009 and now"),
        (entry(at=datetime(1999, 1, 1, tzinfo=UTC)), "no whole minute between 2009"),
        (entry(reason=" "), "--reason"),
    ],
)
def test_what_cannot_be_right_is_refused_and_stores_nothing(redenominated, given, said):
    with pytest.raises(ConfigError, match=said):
        redenominate(redenominated.settings, "okx", given)
    assert read_redenominations(redenominated.layout, "okx") == ()
    assert [item.state for item in read_items(redenominated.layout)] == ["held"]


@pytest.fixture(scope="module")
def redenominated(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("redenominated"), **counted_anew())
    run.ingest()
    return run


def test_an_asset_without_rows_and_a_damaged_file_are_errors_that_name_the_remedy(tmp_path):
    run = Run(tmp_path)
    with pytest.raises(UnknownNameError, match="asset of venue okx"):
        redenominate(Settings(home=tmp_path), "okx", entry())
    path = run.layout.root / "reference" / "redenominations-okx.json"
    path.parent.mkdir(exist_ok=True)
    for content in ("{", '{"a": 1}', "[1]", '[{"asset": "SOL", "at": "2025-03-22T08:00", "factor": 10}]', "null"):
        path.write_text(content)
        with pytest.raises(LakeCorruptError, match="store its factors again"):
            read_units(run.layout, "okx")


def test_the_command_shows_stores_and_releases(redenominated, tmp_path, monkeypatch):
    home = tmp_path / "home"
    shutil.copytree(redenominated.settings.home, home)
    home.chmod(0o700)
    monkeypatch.setenv("PAIRITY_HOME", str(home))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", '["BTC","ETH","SOL"]')
    run = CliRunner().invoke
    assert "no redenomination of venue okx is stored" in run(main, ["redenominate"]).output
    for lacking in (["SOL"], ["SOL", "--factor", "1000"], ["--factor", "10"]):
        assert run(main, ["redenominate", *lacking]).exit_code == 2
    stored = ["redenominate", "SOL", "--factor", "1000", "--from", "2025-03-22T08:00", "--reason", "announced"]
    done = run(main, [*stored, "--known-from", "then"])
    assert done.exit_code == 0, done.output
    assert "SOL of okx: 1000 from 2025-03-22 08:00 on is stored" in done.output
    assert "remove features/" in done.output
    assert "was stored already" in run(main, stored).output
    assert "announced" in run(main, ["redenominate"]).output
