"""One verdict: what is wrong, how grave it is, and the command that mends it."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, VIEWS
from feature_repo.offline_files import make_schema, publish
from ingestion.data_page.page import write_data_page
from ingestion.data_page.standing import judge_standing
from ingestion.lake import Lake
from ingestion.listing_times import note_listing_times
from pairity.layout import Layout
from pairity.settings import Settings
from pairity_cli.main import main
from tests.ingestion.test_coverage import minutes
from tests.ingestion.venue import HOUR, SINCE
from tests.validation.frames import NOW, funding, of
from validation.quarantine import Quarantine
from validation.row_verdicts import judge_raw_rows

MINUTE = timedelta(minutes=1)
COUNT = 120
END = SINCE + COUNT * MINUTE


def stand(tmp_path, *, assets=("BTC", "ETH"), venue="okx", skip=(), counts=None, covered=()):
    """A data directory with minutes of some assets, and its settings."""
    settings = Settings(home=tmp_path, universe={"assets": ["BTC", "ETH"]}, features={"venue": venue})
    lake = Lake(Layout(tmp_path), venue=venue)
    with lake.writing():
        for place, asset in enumerate(assets):
            count = COUNT if counts is None else counts[place]
            lake.write("candles_1m", asset, minutes(SINCE, count, skip if asset == "BTC" else ()), covered=covered)
    return settings


def texts(standing, *, grave):
    return [(finding.text, finding.command) for finding in standing.findings if finding.grave == grave]


WITHOUT_FEATURES = ("no features are computed yet", "pairity features")


def test_nothing_is_stored(tmp_path):
    standing = judge_standing(Settings(home=tmp_path), END)
    assert (standing.level, standing.findings) == ("nothing", ())
    assert standing.verdict == "Data: nothing is stored yet: `pairity ingest`"


def all_withheld(tmp_path, venue="okx", name="candles_1m"):
    """A data directory of which validation let nothing in."""
    settings = Settings(home=tmp_path, universe={"assets": ["BTC", "ETH"]}, features={"venue": venue})
    rows = minutes(SINCE, 3) if name == "candles_1m" else funding()
    wrong = rows.with_columns(pl.lit(["price_jump"]).alias("broken_rules"))
    key = "BTC/2026-01" + ("" if venue == "okx" else f"/{venue}")
    Quarantine.read(Layout(tmp_path)).withhold(name, key, wrong.select(pl.exclude("asset")), now=NOW)
    return settings


@pytest.mark.parametrize("venue", ["okx", "binance_um", "rec"])
def test_rows_that_are_all_withheld_are_not_nothing(tmp_path, venue):
    standing = judge_standing(all_withheld(tmp_path, venue), END)
    assert standing.level == "bad"
    said = "nothing is let in: 3 rows of candles_1m withheld"
    assert standing.verdict == f"Data NOT all right: {said}: `pairity quarantine list`"


def test_rows_of_another_venue_that_are_withheld_say_nothing_of_this_one(tmp_path):
    all_withheld(tmp_path, "binance_um")
    standing = judge_standing(Settings(home=tmp_path), END)
    assert (standing.level, standing.withheld) == ("nothing", ())


@pytest.mark.parametrize(
    ("command", "code"),
    [(["data"], 0), (["gaps"], 0), (["anomalies"], 0), (["quarantine"], 0), (["features"], 4), (["data", "--html"], 0)],
)
def test_every_screen_says_so(tmp_path, monkeypatch, command, code):
    monkeypatch.chdir(tmp_path)
    all_withheld(tmp_path / "var")
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "var"))
    done = CliRunner().invoke(main, command)
    assert done.exit_code == code, done.output
    assert "3 rows of candles_1m" in " ".join(done.output.split())
    assert "pairity quarantine list" in done.output
    assert "nothing is stored" not in done.output
    assert "nothing stored yet" not in done.output


def test_a_hole_that_was_never_asked_for_is_grave(tmp_path):
    standing = judge_standing(stand(tmp_path, skip=(10, 11, 30)), END)
    hole = ("2 holes (3 bars of candles_1m) never asked for, or not answered", "pairity gaps --repair")
    assert texts(standing, grave=True) == [hole, WITHOUT_FEATURES]
    assert standing.verdict == f"Data NOT all right: {hole[0]}: `{hole[1]}` (and 1 more: `pairity data --html`)"


def test_a_hole_that_the_source_has_too_is_known(tmp_path):
    standing = judge_standing(stand(tmp_path, skip=(10,), covered=[(SINCE, END)]), END)
    (known,) = texts(standing, grave=False)
    assert known[0] == "1 hole (1 bar of candles_1m) that the source did not fill, or that are withheld"
    assert texts(standing, grave=True) == [WITHOUT_FEATURES]


@pytest.mark.parametrize(
    ("venue", "fetch", "repair"),
    [
        ("okx", "pairity ingest", "pairity gaps --repair"),
        ("binance_um", "pairity collect --source binance-archive", "pairity gaps --repair --venue binance_um"),
        (
            "rec",
            "pairity collect --source NAME --folder FOLDER --venue rec",
            "pairity gaps --repair --venue rec --source NAME --folder FOLDER",
        ),
    ],
)
def test_commands_are_those_of_the_venue(tmp_path, venue, fetch, repair):
    found = texts(judge_standing(stand(tmp_path, assets=("BTC",), venue=venue, skip=(5,)), END), grave=True)
    assert [command for _, command in found] == [repair, fetch, "pairity features"]
    assert found[1][0] == "no candles of ETH"


def test_an_instrument_that_was_not_listed_yet_is_no_fault(tmp_path):
    settings = stand(tmp_path, assets=("BTC",))
    note_listing_times(Layout(tmp_path), "okx", {"ETH": END + HOUR})
    standing = judge_standing(settings, END)
    assert texts(standing, grave=False) == [("ETH not listed yet by then", "")]
    assert texts(standing, grave=True) == [WITHOUT_FEATURES]


@pytest.mark.parametrize(
    ("behind", "now_after", "said"),
    [
        (3 * 1440, 0, "3 days"),
        (180, 0, "3 hours"),
        (119, 0, None),
        (180, 25 * 60, None),  # history: a recording may end at any minute
        (1441, 25 * 60, "24 hours"),
    ],
)
def test_an_instrument_that_ends_before_the_others_is_grave(tmp_path, behind, now_after, said):
    now = SINCE + (60 + behind + now_after) * MINUTE
    found = texts(judge_standing(stand(tmp_path, counts=(60, 60 + behind)), now), grave=True)
    ends = [text for text, _ in found if "before the others" in text]
    assert ends == ([] if said is None else [f"candles_1m of BTC end up to {said} before the others"])


def test_all_is_right_while_it_is_live_and_as_history_later(tmp_path):
    settings = stand(tmp_path)
    view = VIEWS["asset_hourly"]
    values = dict.fromkeys(view.feature_names, 1.0)
    row = {view.entity: "BTC", EVENT_TIME: END, CREATED_TIME: END, **values}
    rows = pl.DataFrame([row], schema=make_schema(view))
    publish(Layout(tmp_path), view, rows)
    for age, said in ((2 * HOUR, "Data all right up to"), (2 * HOUR + MINUTE, "Data all right as history up to")):
        assert judge_standing(settings, END + age).verdict.startswith(f"{said} {END:%Y-%m-%d %H:%M} UTC")


def test_withheld_rows_are_grave(tmp_path):
    settings = stand(tmp_path)
    item = withhold(tmp_path)
    standing = judge_standing(settings, END)
    assert texts(standing, grave=True)[0] == (f"{item.rows} row of funding withheld", "pairity quarantine list")


def withhold(home):
    rows = judge_raw_rows(of("BTC", funding((0.0001, 0.5))), "funding", NOW).withheld.drop("asset")
    (item,) = Quarantine.read(Layout(home)).withhold("funding", "BTC/2025-04", rows, now=NOW)
    return item


def test_every_screen_begins_with_the_verdict(tmp_path, monkeypatch):
    stand(tmp_path, skip=(10,))
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", '["BTC", "ETH"]')
    verdict = "Data NOT all right: 1 hole (1 bar of candles_1m) never asked for, or not answered"
    for command in (["data"], ["data", "--html"], ["gaps"], ["quarantine"], ["quarantine", "list"], ["anomalies"]):
        printed = CliRunner().invoke(main, command).output
        assert printed.startswith(verdict), (command, printed)


def test_data_that_cannot_be_read_are_a_verdict_of_other_screens(tmp_path, monkeypatch):
    stand(tmp_path)
    (manifest, *_) = (tmp_path / "lake").rglob("manifest.json")
    manifest.write_text("{")
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    done = CliRunner().invoke(main, ["quarantine", "list"])
    assert done.output.startswith("Data NOT all right: ")
    assert str(manifest) in done.output
    assert done.output.endswith("0 items, 0 rows\n")
    assert done.exit_code == 0


def test_the_page_escapes_and_names_everything(tmp_path):
    settings = stand(tmp_path, skip=(10,))
    item = withhold(tmp_path)
    page = write_data_page(settings, judge_standing(settings, END), END).read_text()
    for text in ("Is my data all right?", "candles_1m", item.id, "pairity gaps --repair", "never asked for"):
        assert text in page
    assert "<script" not in page
    assert write_data_page(settings, judge_standing(settings, END), END).read_text() == page


def test_anomalies_fit_a_screen(tmp_path, monkeypatch):
    stand(tmp_path, skip=range(1, 119), counts=(COUNT, 30 * 240))
    lake = Lake(Layout(tmp_path))
    with lake.writing():
        for place in range(2, 42):
            lake.write("candles_1m", "BTC", minutes(SINCE + place * 4 * HOUR, 1))
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    few = CliRunner().invoke(main, ["anomalies"]).output.splitlines()
    everything = CliRunner().invoke(main, ["anomalies", "--all"]).output.splitlines()
    assert len(few) < 24 < len(everything)
    assert few[-2] == f"… and {len(everything) - len(few) + 1} more: --all shows them"
    assert few[-1] == everything[-1]


def test_holes_fit_a_screen(tmp_path, monkeypatch):
    stand(tmp_path, skip=range(1, 100, 2))
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    few = CliRunner().invoke(main, ["gaps"]).output
    everything = CliRunner().invoke(main, ["gaps", "--all"]).output
    assert "… and 34 more: --all shows them" in few
    assert (few.count("never asked for, or"), everything.count("never asked for, or")) == (17, 51)
