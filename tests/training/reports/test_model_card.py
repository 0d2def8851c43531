"""The table of a model card: measures as people of the field write them."""

from datetime import timedelta

from model_registry.descriptions import ROOM
from training.reports.model_card import render_table

NAMES = {"model": "pair forest", "btc": "buy and hold BTC"}
METRICS = {
    "model_net_return": -0.06,
    "model_sharpe": -0.4067,
    "model_sharpe_low": -6.059,
    "model_sharpe_high": 5.246,
    "model_max_drawdown": 0.2647,
    "model_trades": 76.0,
    "model_win_rate": 0.4474,
    "btc_net_return": 0.1505,
    "btc_trades": 1.0,
}


def cells(span):
    lines = render_table(METRICS, NAMES, span)
    return {
        row[0]: row[1:]
        for row in ([cell.replace(ROOM, "").strip() for cell in line.split("|")[1:-1]] for line in lines)
    }


def test_returns_and_drawdowns_are_in_percent_and_unknown_is_a_dash():
    table = cells(timedelta(days=50))
    assert table[""] == ["pair forest", "buy and hold BTC"]
    assert table["net return"] == ["-6.00%", "+15.05%"]
    assert table["max drawdown"] == ["26.47%", "–"]
    assert table["trades"] == ["76", "1"]
    assert table["Sharpe, annualised"] == ["-0.41", "–"]


def test_nothing_is_annualised_from_a_short_span():
    assert cells(timedelta(days=9))["Sharpe, annualised"] == ["–", "–"]
