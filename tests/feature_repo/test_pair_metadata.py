import polars as pl
import pytest

from feature_repo.pair_metadata import SCHEMA, describe_pairs
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.pairs import compute_pair_hourly, count_aligned_bars
from pairity.universe import Pair, inst_id, pairs_of
from tests.feature_repo.transforms.markets import SHORT, bars_of, funding_of

LEGS = [inst_id(name) for name in ("BTC", "ETH", "SOL")]
PAIRS = pairs_of(("BTC", "ETH", "SOL"))


def covered(**bars):
    return pl.DataFrame({"pair_id": list(bars), "aligned_bars": list(bars.values())})


ENOUGH = covered(BTC__ETH=200, BTC__SOL=500, ETH__SOL=200)


def metadata(pairs=PAIRS, listed=LEGS, coverage=ENOUGH, needed=200):
    return describe_pairs(pairs, listed, coverage, min_aligned_bars=needed)


def test_a_pair_is_synthetic_through_both_usdt_swaps():
    rows = metadata()
    assert rows.schema == SCHEMA
    assert rows["pair_id"].to_list() == ["BTC__ETH", "BTC__SOL", "ETH__SOL"]
    assert rows.row(0) == ("BTC__ETH", "BTC", "ETH", False, False, None, "BTC-USDT-SWAP", "ETH-USDT-SWAP", 200, None)


@pytest.mark.parametrize(
    ("crosses", "symbol", "inverted"),
    [
        (["BTC-ETH"], "BTC-ETH", False),
        (["ETH-BTC"], "ETH-BTC", True),
        (["ETH-BTC", "BTC-ETH"], "BTC-ETH", False),
        (["BTC-ETH", "ETH-BTC-SWAP"], "ETH-BTC-SWAP", True),
        (["BTC-ETH-SWAP", "ETH-BTC-SWAP"], "BTC-ETH-SWAP", False),
        (["BTC-ETH-260327", "BTC-ETHW", "WBTC-ETH", "BTC-USDT", "ETH-USDT"], None, False),
    ],
)
def test_a_listed_cross_is_found_in_either_direction_perpetuals_first(crosses, symbol, inverted):
    row = metadata(listed=iter([*LEGS, *crosses])).row(0, named=True)
    found = row["is_direct"], row["is_inverted"], row["exchange_symbol"]
    assert found == (symbol is not None, inverted, symbol)


def test_a_coin_whose_name_begins_like_another_is_not_inverted():
    pair = Pair("ETHW", "ETH")
    row = metadata((pair,), ["ETHW-ETH", *LEGS, inst_id("ETHW")], covered(ETHW__ETH=200)).row(0, named=True)
    assert (row["exchange_symbol"], row["is_inverted"]) == ("ETHW-ETH", False)


def test_fewer_bars_than_needed_leave_a_pair_out_with_the_count():
    rows = metadata(coverage=covered(BTC__ETH=199, BTC__SOL=200, A__B=500))
    assert rows["left_out"].to_list() == ["199 aligned bars, 200 are needed", None, "0 aligned bars, 200 are needed"]
    assert metadata(needed=201)["left_out"].is_null().to_list() == [False, True, False]


def test_an_unlisted_leg_leaves_a_pair_out_even_where_the_cross_is_listed():
    rows = metadata(listed=["ETH-USDT-SWAP", "SOL-USDT-SWAP", "BTC-ETH"])
    assert rows["left_out"].to_list() == ["the venue does not list BTC-USDT-SWAP"] * 2 + [None]
    assert rows["is_direct"].to_list() == [True, False, False]
    assert metadata(listed=[])["left_out"][0] == "the venue does not list BTC-USDT-SWAP nor ETH-USDT-SWAP"


def test_who_is_left_out_is_who_has_no_features():
    bars = bars_of({"A": [1.0 + step % 3 for step in range(30)], "B": [2.0] * 30, "C": [None] * 11 + [3.0] * 19})
    assets = compute_asset_hourly(bars.lazy(), funding_of().lazy(), SHORT).collect()
    pairs = pairs_of(("A", "B", "C"))
    listed = [inst_id(name) for name in "ABC"]
    rows = describe_pairs(pairs, listed, count_aligned_bars(assets.lazy(), pairs), min_aligned_bars=20)
    used = rows.filter(pl.col("left_out").is_null())["pair_id"].to_list()
    assert (
        used
        == compute_pair_hourly(assets.lazy(), pairs, SHORT, 20)
        .collect()["pair_id"]
        .unique(maintain_order=True)
        .to_list()
    )
    assert used == ["A__B"]
    assert rows["left_out"][1] == "19 aligned bars, 20 are needed"


def test_no_pairs_no_rows():
    assert metadata(()).schema == SCHEMA
    assert metadata(()).is_empty()
