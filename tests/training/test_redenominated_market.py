"""Backtests and labels across a redenomination are those of a market that was always counted so."""

import polars as pl
import pytest

from feature_repo.catalog import ASSET_HOURLY, CREATED_TIME, EVENT_TIME
from feature_repo.contract_specs import write_contracts
from feature_repo.offline_files import publish, scan_view
from feature_repo.redenominations import Redenomination, store_redenomination
from pairity.layout import Layout
from pairity.strategy.types import PairScore
from pairity.timeline import DAY
from tests.training.generated import HOUR, START, hours, spec
from tests.training.lake_rows import write_raw
from tests.training.published import UTC_US, asset_rows, settings_for, write_funding
from training.backtest.comparison import make_terms
from training.backtest.engine import run_backtest
from training.backtest.policies import Strategy
from training.backtest.records import HourScores
from training.data.asset_training_sets import build_asset_training_set
from training.data.contracts import read_traded_contracts
from training.data.history import load_history, read_bars
from training.labels.triple_barrier import label_triple_barrier

BARS, FACTOR, LAG = 120, 1024.0, pl.duration(seconds=30)
"""A power of two: what is multiplied by it keeps its bits."""
PRICES = ("open", "high", "low", "close", "atr_14")
NAMES = ("ETH", "BTC")
STORED = START + BARS * HOUR
NOW = START + 365 * DAY
AT = START + 55 * HOUR


def sections(legs):
    return {"strategy": {"legs": legs}, "label": {"kind": "triple_barrier", "z_entry": 0.5}}


def in_unit(rows, factor, until=None):
    """Rows of which those of ETH, as far as they closed by `until`, are counted in other coins."""
    own = pl.col("asset") == "ETH"
    if until is not None:
        own &= pl.col(EVENT_TIME) <= until
    return rows.with_columns(
        *(pl.when(own).then(pl.col(name) * factor).otherwise(name).alias(name) for name in PRICES),
        volume_base=pl.when(own).then(pl.col("volume_base") / factor).otherwise("volume_base"),
    )


def computed_later(rows, until, at):
    """A second version of the rows of ETH up to an instant: what a redenomination that is stored makes of them."""
    own = rows.filter(pl.col("asset") == "ETH", pl.col(EVENT_TIME) <= until)
    return own.with_columns(pl.lit(at).cast(UTC_US).alias(CREATED_TIME))


def entry(at=AT, factor=FACTOR, stored_at=STORED):
    return Redenomination(asset="ETH", at=at, factor=factor, stored_at=stored_at, reason="announced")


def market(home, legs, rows, *, stored=(), versions=()):
    """A data directory with `rows` of assets, further `versions` of them, and redenominations."""
    settings = settings_for(home, assets=NAMES, **sections(legs))
    layout = Layout.of(settings)
    for part in (rows, *versions):
        publish(layout, ASSET_HOURLY, part)
    for one in stored:
        store_redenomination(layout, "okx", one)
    write_contracts(layout, [spec(name, ct_val="0.00001", lot="1") for name in NAMES])
    for name in NAMES:
        write_funding(layout, name, BARS)
    return settings


def join_of(settings):
    """What was known of exactly the hour that closed half a minute before: its newest version then."""

    def join(_service, rows):
        stored = scan_view(Layout.of(settings), ASSET_HOURLY).collect()
        asked = rows.with_row_index().with_columns(pl.col(EVENT_TIME).alias("at"), pl.col(EVENT_TIME) - LAG)
        known = asked.join(stored, on=["asset", EVENT_TIME]).filter(pl.col(CREATED_TIME) <= pl.col("at"))
        newest = known.sort(CREATED_TIME).unique("index", keep="last")
        newest = newest.drop(name for name in asked.columns if name != "index")
        answer = rows.with_row_index().join(newest, on="index", how="left", maintain_order="left")
        return answer.drop("index", CREATED_TIME)

    return join


def trade(settings):
    """Alternately long and short for twelve hours, with a rest of four."""
    history, _ = load_history(settings, join_of(settings), START, START + (BARS - 1) * HOUR, NOW)
    (pair,) = settings.universe.pairs
    scores = {}
    for place, hour in enumerate(history.hours):
        z = 0.0 if place % 16 >= 12 else 2.5 * (-1) ** (place // 16)
        scores[hour] = HourScores((PairScore(pair, z, 0.9, None, 0.8),))
    strategy = Strategy(settings.strategy)
    return run_backtest(
        history, scores, strategy, make_terms(settings), decision_lag=settings.features.decision_lag, train_end=None
    )


def label(settings):
    history, _ = load_history(settings, join_of(settings), START, START + (BARS - 1) * HOUR, NOW)
    (pair,) = settings.universe.pairs
    decisions = pl.DataFrame({"pair_id": pair.pair_id, EVENT_TIME: hours(BARS - 15)}).with_columns(
        pl.col(EVENT_TIME).cast(UTC_US),
        z_score=pl.when(pl.int_range(pl.len()) % 2 == 0).then(2.0).otherwise(-2.0),
        hedge_ratio=0.8,
    )
    return label_triple_barrier(decisions, history, settings)


def write_hours(settings, rows):
    for (asset,), own in rows.group_by("asset"):
        values = own.select(
            (pl.col(EVENT_TIME) - HOUR).alias("open_time"), "open", "high", "low", "close", volume="volume_base"
        )
        write_raw(Layout.of(settings), "candles_1h", asset, values)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """ETH as it is counted today, ever since."""
    settings = settings_for(tmp_path_factory.mktemp("rows"), assets=NAMES)
    return in_unit(asset_rows(settings, BARS, 1), FACTOR)


def as_it_came(home, legs, rows, how):
    """The old unit up to the instant, the new one after it; and what was learnt of it later."""
    seen = in_unit(rows, 1 / FACTOR, AT)
    right = computed_later(rows, AT, STORED + 2 * HOUR)
    if how == "corrected":
        return market(home, legs, seen, stored=[entry()], versions=[right])
    if how == "corrected twice":  # a wrong factor was stored first, and features were computed by it
        wrong = computed_later(in_unit(rows, 1 / 8, AT), AT, STORED)
        entries = [entry(factor=FACTOR / 8), entry(stored_at=STORED + HOUR)]
        return market(home, legs, seen, stored=entries, versions=[wrong, right])
    # Features were not computed again yet: the lake says which unit they are in.
    settings = market(home, legs, seen, stored=[entry()])
    write_hours(settings, seen)
    return settings


@pytest.mark.parametrize("legs", ["base", "both"])
@pytest.mark.parametrize("how", ["corrected", "corrected twice", "not computed again"])
def test_a_backtest_and_labels_are_those_of_a_market_that_was_always_counted_so(tmp_path, rows, legs, how):
    always = market(tmp_path / "always", legs, rows)
    seen = as_it_came(tmp_path / "seen", legs, rows, how)
    expected, found = trade(always), trade(seen)
    trades = expected.trades
    across = trades.filter(pl.col("opened_at") < AT, pl.col("closed_at") > AT)
    assert set(across["asset"]) == ({"ETH"} if legs == "base" else set(NAMES))
    assert trades.height > 4
    assert found.trades.equals(trades)
    assert found.equity.equals(expected.equity)
    assert found.decisions.equals(expected.decisions)
    labels = label(always)
    assert labels["net_return"].drop_nulls().len() > 80
    assert label(seen).equals(labels)
    columns = [EVENT_TIME, *PRICES, "volume_base"]
    bars = [read_bars(each, ["ETH"], START, STORED, NOW).select(columns) for each in (always, seen)]
    assert bars[1].equals(bars[0])


def test_two_steps_and_a_withdrawn_one(tmp_path, rows):
    """Counted anew twice, the second time known after features of the first were computed; a third one was none."""
    later = AT + DAY
    seen = in_unit(in_unit(rows, 1 / 64.0, later), 1 / 16.0, AT)
    entries = [
        entry(factor=16.0),
        entry(later, 64.0, STORED + 2 * HOUR),
        entry(AT + 5 * HOUR, 2.0, STORED + 2 * HOUR),
        entry(AT + 5 * HOUR, 1.0, STORED + 3 * HOUR),
    ]
    first = computed_later(in_unit(rows, 1 / 64.0, later), AT, STORED + HOUR)
    second = computed_later(rows, later, STORED + 4 * HOUR)
    expected = trade(market(tmp_path / "always", "both", rows)).trades
    settings = market(tmp_path / "seen", "both", seen, stored=entries, versions=[first, second])
    assert trade(settings).trades.equals(expected)


def test_a_price_that_was_corrected_is_no_unit(tmp_path, rows):
    """A close that was corrected by a third stays what was known: units are what was stored, and nothing else."""
    changed = computed_later(in_unit(rows, 4 / 3), STORED, STORED)
    step = entry(START + 3 * HOUR)
    with_step = market(tmp_path / "with", "base", rows, stored=[step], versions=[changed])
    without = market(tmp_path / "without", "base", rows, versions=[changed])
    found, expected = (
        read_bars(each, ["ETH"], START + 4 * HOUR, STORED, NOW).select("close", "atr_14")
        for each in (with_step, without)
    )
    assert found.equals(expected)


def test_an_assumed_contract_is_sized_by_the_price_in_the_unit_of_today(tmp_path, rows):
    specs = []
    for name in ("always", "seen"):
        home = tmp_path / name
        market(home, "base", rows) if name == "always" else as_it_came(home, "base", rows, "corrected")
        settings = settings_for(home, assets=NAMES).model_copy(deep=True)
        object.__setattr__(settings.features, "venue", "binance_um")
        layout = Layout.of(settings)
        layout.contracts.unlink()
        specs.append(read_traded_contracts(settings, layout))
    assert specs[1] == specs[0]


def test_returns_of_single_assets_have_no_jump(tmp_path, rows):
    from feature_repo.catalog import ASSET_LAGS, find_service
    from tests.training.published import finished

    labels = []
    for name in ("always", "seen"):
        home = tmp_path / name
        settings = (
            market(home, "base", rows) if name == "always" else as_it_came(home, "base", rows, "not computed again")
        )
        publish(Layout.of(settings), ASSET_LAGS, finished(rows.select("asset", EVENT_TIME, "close"), ASSET_LAGS))
        (Layout.of(settings).features / "snapshot.json").write_text('{"snapshot_id": "5"}')

        def join(service, asked):
            features = [pl.lit(None, pl.Float64).alias(feature) for feature in find_service(service).features]
            return asked.with_columns(features)

        made = build_asset_training_set(
            settings, find_service("lagged_returns_v1"), join, NOW, assets=NAMES, horizon_bars=12
        )
        labels.append(made.rows.select("pair_id", EVENT_TIME, "label"))
    assert labels[0]["label"].drop_nulls().len() > 100
    assert labels[1].equals(labels[0])
