"""Which holdings of pairs are worth it, and how long they last."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pairity.books.families import BOOK_FAMILIES, BookMarket
from pairity.books.features import NameFeatures
from pairity.books.netting import PairStake, net_pairs
from pairity.books.outcomes import HORIZONS, Outlook, Stay, choose_outlook, hold_outlooks

sides, hours = st.sampled_from([1, -1]), st.sampled_from(HORIZONS)
forecasts = st.dictionaries(st.tuples(sides, hours), st.floats(-0.1, 0.1))
pairs = st.sampled_from([("A", "B"), ("A", "C"), ("B", "C")])


def test_the_best_per_hour_is_taken_of_what_is_above_what_is_needed():
    said = {(1, 24): 0.001, (1, 720): 0.02, (-1, 24): -0.002, (-1, 720): -0.03, (1, 72): 0.003}
    assert choose_outlook({**said, (1, 24): 0.0011}, 0.0) == Outlook(1, 24, 0.0011)
    assert choose_outlook(said, 0.002) == Outlook(1, 72, 0.003)
    assert choose_outlook(said, 0.02) is None
    assert choose_outlook({(1, 24): float("nan")}, -1.0) is None
    assert choose_outlook({(-1, 24): 0.01, (1, 24): 0.01}, 0.0) == Outlook(1, 24, 0.01)


@given(forecasts, st.floats(0.0, 0.05))
def test_nothing_is_worth_holding_that_is_not_above_what_is_needed(said, needed):
    found = choose_outlook(said, needed)
    able = {key: edge for key, edge in said.items() if edge > needed}
    if found is None:
        assert not able
    else:
        assert able[found.side, found.hours] == found.edge
        assert all(edge / key[1] <= found.edge / found.hours for key, edge in able.items())


@given(
    st.dictionaries(pairs, st.builds(Stay, sides, hours)),
    st.dictionaries(pairs, st.one_of(st.none(), st.builds(Outlook, sides, hours, st.floats(0.001, 0.1)))),
)
def test_a_pair_is_held_to_the_end_of_its_hours_and_no_longer(held, outlooks):
    stays = hold_outlooks(held, outlooks, 24)
    assert set(stays) <= set(outlooks)
    for pair, outlook in outlooks.items():
        before = held.get(pair)
        if before is not None and before.hours_left > 24:
            assert stays[pair] == Stay(before.side, before.hours_left - 24)
        elif outlook is None:
            assert pair not in stays
        else:
            assert stays[pair] == Stay(outlook.side, outlook.hours)


def know(place):
    return NameFeatures(bars=3_000, notional=100.0 - place, volatility=0.004 + 0.001 * place)


def test_a_book_nets_its_pairs_and_a_pair_leaves_with_its_coin():
    family = BOOK_FAMILIES["pair_outcome_boosting"]
    features = {name: know(place) for place, name in enumerate("ABC")}
    outlooks = {("A", "B"): Outlook(1, 72, 0.01), ("A", "C"): None, ("B", "C"): Outlook(-1, 24, 0.01)}
    target = family.decide(BookMarket(features, {}, {}, outlooks=outlooks), family.size)
    assert target.pairs == {("A", "B"): 1, ("B", "C"): -1}
    assert target.hours_left == {("A", "B"): 72, ("B", "C"): 24}
    stakes = [
        PairStake(
            base=base,
            quote=quote,
            side=side,
            gross=1 / 45,
            base_volatility=features[base].volatility,
            quote_volatility=features[quote].volatility,
        )
        for (base, quote), side in target.pairs.items()
    ]
    assert target.weights == net_pairs(stakes)
    gone = {name: features[name] for name in "AC"}
    after = BookMarket(gone, {}, target.pairs, outlooks={("A", "C"): None}, hours_left=target.hours_left)
    assert family.decide(after, family.size).weights == {}
    stays = BookMarket(features, {}, target.pairs, outlooks=dict.fromkeys(outlooks), hours_left=target.hours_left)
    assert family.decide(stays, family.size).hours_left == {("A", "B"): 48}
    assert family.decide(replace(stays, elapsed=48), family.size).hours_left == {("A", "B"): 24}
    assert family.decide(replace(stays, elapsed=72), family.size).hours_left == {}
