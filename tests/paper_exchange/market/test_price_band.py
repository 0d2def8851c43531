"""Price bands by instrument: in public/price-limit, in instruments, and in what is refused."""

from decimal import Decimal

import pytest

from paper_exchange.account.refusals import Refused
from paper_exchange.market.market import Band
from paper_exchange.market.specifications import specify_instrument
from tests.paper_exchange.handmade_market import BTC, T0, Desk, contract, flat

NARROW = Band(initial=Decimal("0.05"), floating=Decimal("0.005"), most=Decimal("0.01"))
MINUTE_MS = 60_000


def open_desk(last, index, **changes):
    return Desk({BTC: last}, indices={BTC: index}, instruments={BTC: contract(BTC, band=NARROW, **changes)})


def show(desk):
    [row] = desk.get("public/price-limit", instId=BTC)
    return Decimal(row["buyLmt"]), Decimal(row["sellLmt"])


@pytest.mark.parametrize(
    ("last", "index", "band"),
    [
        (1000, 1000, (1005, 995)),
        (1002, 1000, (1007, 997)),  # the premium moves it
        (1008, 1000, (1010, 1000)),  # the most above the index, and never above it for sales
        (995, 1000, (1000, 990)),
        (980, 1000, (1000, 990)),
    ],
)
def test_a_band_around_index_and_premium(last, index, band):
    assert show(open_desk(flat(last), flat(index))) == band


def test_the_premium_is_that_of_two_minutes():
    desk = open_desk([(1000,) * 4, *flat(1004)], flat(1000))
    desk.to(1)
    assert show(desk) == (1007, 997)
    desk.to(2)
    assert show(desk) == (1009, 999)


def test_a_young_instrument_has_a_band_of_its_own():
    desk = open_desk(flat(1000), flat(1000), list_ms=T0 - 9 * MINUTE_MS)
    assert show(desk) == (1050, 950)
    desk.to(1)
    assert show(desk) == (1005, 995)


def test_orders_keep_to_the_band_that_is_shown():
    desk = open_desk(flat(1000), flat(1000))
    highest, lowest = show(desk)

    def refusal(side, price, **extra):
        try:
            desk.order(side, 1, kind="limit", px=str(price), **extra)
        except Refused as refused:
            return refused.code
        return None

    assert refusal("buy", highest) is None
    assert refusal("buy", highest + Decimal("0.1")) == "51137"
    assert refusal("sell", lowest - Decimal("0.1")) == "51136"  # it would close what the first one bought
    desk.order("sell", 1)
    assert refusal("sell", lowest) is None
    assert refusal("sell", lowest - Decimal("0.1")) == "51138"
    assert refusal("buy", highest + Decimal("0.1")) == "51135"
    desk.order("buy", 1)
    moved = desk.order("buy", 1, kind="limit", px="2000", pxAmendType="1")
    assert (moved.price, moved.state) == (highest, "filled")


def test_bands_differ_by_instrument():
    desk = open_desk(flat(1000), flat(1000))
    [row] = desk.get("public/instruments", instType="SWAP")
    assert (row["initPxLmtPct"], row["floatPxLmtPct"], row["maxPxLmtPct"]) == ("0.05", "0.005", "0.01")
    bands = [specify_instrument(asset, price=100.0, list_ms=0).band for asset in ("BTC", "ETH", "PEPE")]
    assert [band.floating for band in bands] == [Decimal("0.005"), Decimal("0.01"), Decimal("0.02")]
