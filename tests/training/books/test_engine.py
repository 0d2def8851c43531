"""The engine of books against loops over plain lists, and what it must never do."""

import copy
from dataclasses import replace
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.books.rebalance import Cause
from tests.oracles.book_days import trade_days
from tests.training.books.markets import LOT, make_market, make_panel, make_specs
from training.books.account import DELISTED, BookAccount, BookCosts
from training.books.engine import BookTerms, run_book
from training.books.history_features import FeatureHistory, compute_z_scores

FIRST = 2_300
COSTS = BookCosts(5.0, 1.0)
TERMS = BookTerms(100_000.0, COSTS)


@pytest.fixture(scope="module")
def market():
    return make_market(11)


@pytest.fixture(scope="module")
def history(market):
    return FeatureHistory(make_panel(market))


@pytest.mark.parametrize("family", ["trend_book", "carry_book", "trend_carry_book"])
def test_equity_is_that_of_loops_over_plain_lists(market, history, family):
    run = run_book(history, BOOK_FAMILIES[family], TERMS, make_specs(market), first=FIRST)
    expected = trade_days(
        market, family, first=FIRST, size=12, band=0.02, cost={"fee": 5e-4, "slip": 1e-4}, worth=100_000.0, lot=LOT
    )
    assert run.result.equity["equity"].to_list() == pytest.approx(expected, rel=1e-9)
    assert run.result.trades.height > 10


@pytest.mark.parametrize("family", list(BOOK_FAMILIES))
def test_trades_add_up_to_equity_and_nothing_stays_open(market, history, family):
    result = run_book(history, BOOK_FAMILIES[family], TERMS, make_specs(market), first=FIRST).result
    earned = float(result.trades["net_pnl"].sum())
    assert result.initial_equity + earned == pytest.approx(result.equity["equity"][-1], rel=1e-9)
    assert result.equity["positions"][-1] == 0
    assert result.equity["costs"][-1] == pytest.approx(float((result.trades["fees"] + result.trades["slippage"]).sum()))
    assert result.equity["funding"][-1] == pytest.approx(float(result.trades["funding"].sum()))
    assert result.equity["exposure"].max() < 1.25


def list_unfilled(market, run):
    return [
        change.name
        for decision in run.decisions
        for change in decision.changes
        if change.is_traded and market["open"][change.name][decision.hour + 1] is None
    ]


def take_bars(market, names, hours):
    """Return the market without these bars."""
    taken = copy.deepcopy(market)
    for kind in ("open", "high", "low", "close", "volume"):
        for name in names:
            for hour in hours:
                taken[kind][name][hour] = None
    return taken


@pytest.mark.parametrize("family", list(BOOK_FAMILIES))
def test_what_had_no_bar_to_fill_at_is_counted(market, history, family):
    run = run_book(history, BOOK_FAMILIES[family], TERMS, make_specs(market), first=FIRST)
    assert run.result.unfilled_entries == len(list_unfilled(market, run))
    if family != "trend_book":
        return
    traded = [(one.hour, change.name) for one in run.decisions for change in one.changes if change.is_traded]
    hour, name = traded[len(traded) // 2]
    holed = take_bars(market, [name], [hour + 1])
    again = run_book(FeatureHistory(make_panel(holed)), BOOK_FAMILIES[family], TERMS, make_specs(market), first=FIRST)
    assert list_unfilled(holed, again) == [name]
    assert again.result.unfilled_entries == 1


@pytest.mark.parametrize("family", ["trend_book", "carry_book", "trend_carry_book"])
def test_a_held_name_without_a_bar_at_the_decision_stays_as_it_is(market, history, family):
    """What is missing is no reason to trade: the hole of N04 lies over one decision, and its bars go on after it."""
    run = run_book(history, BOOK_FAMILIES[family], TERMS, make_specs(market), first=FIRST)
    (blind,) = [one for one in run.decisions if market["close"]["N04"][one.hour] is None]
    (change,) = [one for one in blind.changes if one.name == "N04"]
    assert change.cause is Cause.NOT_KNOWN
    assert change.held != 0
    assert change.weight == change.held


def test_a_decision_that_knows_too_few_names_trades_nothing(market, history):
    """Nine of fourteen names lack their bar at one decision: all are held on, and the next decision is as ever."""
    family = BOOK_FAMILIES["trend_book"]
    whole = run_book(history, family, TERMS, make_specs(market), first=FIRST)
    place = next(at for at, one in enumerate(whole.decisions) if at > 5 and len(one.changes) > 6)
    hour = whole.decisions[place].hour
    dark = take_bars(market, sorted(market["close"])[:9], [hour])
    run = run_book(FeatureHistory(make_panel(dark)), family, TERMS, make_specs(market), first=FIRST)
    blind = run.decisions[place]
    assert blind.hour == hour
    assert blind.target.is_blind
    assert len(blind.changes) > 6
    assert {one.cause for one in blind.changes} == {Cause.NOT_KNOWN}
    assert run.decisions[place - 1] == whole.decisions[place - 1]
    assert {one.cause for one in run.decisions[place + 1].changes} > {Cause.WITHIN_BAND}


def test_a_bar_without_a_volume_is_not_one_of_volume_0(market):
    quiet = {**market, "volume": {**market["volume"], "N00": [None] * len(market["volume"]["N00"])}}
    assert FeatureHistory(make_panel(quiet)).name_features(2_399)["N00"].notional is None


def test_names_that_paid_the_same_share_a_rank_whatever_the_order(market):
    """Venues settle most names at the same few rates: a last bit of a sum must not put one above the other."""
    rates = [0.0001, 0.0003, 0.00007, 0.0002, 0.0001, 0.00011, 0.0009] * 3
    funding = {**market["funding"]}
    for place, name in enumerate(("N01", "N02", "N07", "N08")):  # settled every 8 hours
        hours = sorted(hour for hour in funding[name] if 2_399 - 168 < hour <= 2_399)
        own = sorted(rates) if place == 1 else rates[place:] + rates[:place]
        funding[name] = {**funding[name], **dict(zip(hours, own, strict=True))}
    for name in ("N06",):  # and every 4 hours, half of it each time
        hours = sorted(hour for hour in funding[name] if 2_399 - 168 < hour <= 2_399)
        funding[name] = {**funding[name], **dict(zip(hours, [rate / 2 for rate in rates for _ in (0, 1)], strict=True))}
    features = FeatureHistory(make_panel({**market, "funding": funding})).name_features(2_399)
    assert len({features[name].funding_per_hour for name in ("N01", "N02", "N06", "N07", "N08")}) == 1


def test_two_runs_are_the_same_bytes(market, history):
    family = BOOK_FAMILIES["trend_carry_book"]
    first = run_book(history, family, TERMS, make_specs(market), first=FIRST).result
    again = run_book(FeatureHistory(make_panel(market)), family, TERMS, make_specs(market), first=FIRST).result
    assert first.equity.equals(again.equity)
    assert first.trades.equals(again.trades)


def test_a_name_is_closed_at_its_last_bar(market, history):
    trades = run_book(history, BOOK_FAMILIES["trend_book"], TERMS, make_specs(market), first=FIRST).result.trades
    gone = trades.filter((pl.col("asset") == "N03") & (pl.col("exit_reason") == DELISTED))
    last = max(hour for hour, close in enumerate(market["close"]["N03"]) if close is not None)
    assert gone["closed_at"].to_list() == [history.panel.close_of(last)]


@pytest.mark.parametrize("hour", [2_303, 2_327, 2_399])
def test_features_depend_on_nothing_that_comes_later(market, history, hour):
    cut = FeatureHistory(make_panel(market, until=hour + 1))
    assert cut.name_features(hour) == history.name_features(hour)
    names = tuple(sorted(history.name_features(hour)))
    assert compute_z_scores(cut.panel, hour, names) == compute_z_scores(history.panel, hour, names)


def test_a_row_that_waits_for_a_late_bar_is_not_there_at_its_decision(market, history):
    """A name is left out until all of its bars up to then are known, however old they are; another one is not."""
    hour = 2_399
    late = FeatureHistory(make_panel(market, late={("N00", hour): 1, ("N01", hour - 1): 1, ("N02", hour - 5): 6}))
    features, full = late.name_features(hour), history.name_features(hour)
    assert set(full) - set(features) == {"N00", "N02"}
    assert all(features[name] == full[name] for name in features)
    assert late.name_features(hour + 1) == history.name_features(hour + 1)
    names = ("N00", "N01", "N03")
    assert set(late.z_scores(hour, names)) == {("N01", "N03")}


def test_decisions_of_a_truncated_history_are_the_same(market, history):
    family, specs = BOOK_FAMILIES["pair_continuation"], make_specs(market)
    whole = run_book(history, family, TERMS, specs, first=FIRST).decisions
    cut = run_book(FeatureHistory(make_panel(market, until=2_500)), family, TERMS, specs, first=FIRST).decisions
    # The name that is gone before the end of the cut is known to be gone in both.
    assert [one.target for one in cut] == [one.target for one in whole[: len(cut)]]


def test_dearer_costs_leave_less(market, history):
    family, specs = BOOK_FAMILIES["trend_book"], make_specs(market)
    dear = replace(TERMS, costs=BookCosts(15.0, 3.0))
    ends = [run_book(history, family, t, specs, first=FIRST).result.equity["equity"][-1] for t in (TERMS, dear)]
    assert ends[1] < ends[0]


def test_impact_follows_the_square_root():
    costs = BookCosts(5.0, 1.0, impact=1.0)
    small, large = (costs.compute_slip(notional, 0.01, 1e6) - 1e-4 for notional in (1e4, 4e4))
    assert large == pytest.approx(2 * small)
    assert costs.compute_slip(1e4, 0.01, 0.0) == 1e-4
    assert costs.compute_slip(1e4, None, 1e6) == 1e-4


def test_a_turn_closes_and_opens(market):
    from datetime import UTC, datetime

    account = BookAccount(1_000.0, make_specs(market), BookCosts(0.0, 0.0))
    at = datetime(2025, 1, 1, tzinfo=UTC)
    account.trade("N00", Decimal(2), 10.0, 0.02, at=at, hour=0)
    account.trade("N00", Decimal(-1), 12.0, -0.01, at=at, hour=1)
    assert account.trades[0]["net_pnl"] == pytest.approx(4.0)
    assert account.holdings["N00"].contracts == -1
    account.trade("N00", Decimal(0), 11.0, 0.0, at=at, hour=2)
    assert [trade["side"] for trade in account.trades] == ["buy", "sell"]
    assert account.cash == pytest.approx(1_005.0)


def test_a_name_that_is_left_out_is_never_held(market, history):
    family = BOOK_FAMILIES["trend_book"]
    trades = run_book(
        history, family, TERMS, make_specs(market), first=FIRST, leave_out=frozenset({"N01"})
    ).result.trades
    assert "N01" not in set(trades["asset"])


def test_intervals_of_settlements_are_covered_where_they_are_sure(market):
    panel = make_panel(market)
    four, eight = panel.names.index("N00"), panel.names.index("N01")
    assert np.nanmax(panel.covered[:, four]) == 4
    assert np.nanmax(panel.covered[:, eight]) == 8
