"""Questions to one market: asked of the market at hand here, and of one that a worker loads itself in the cluster."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from pairity.errors import DataError
from pairity.settings import Settings
from tests.training.books.markets import make_market, make_panel
from training.books import market_cases
from training.books.market_cases import ask_market

NOW = datetime(2025, 6, 1, tzinfo=UTC)
PANEL = make_panel(make_market(1, names=6, hours=12))


def hold(panel, place):
    return SimpleNamespace(history=SimpleNamespace(panel=panel), place=place)


def name_market(settings, market, *case):
    return settings.profile, market.place, *case


def ask(settings):
    cases = [("trend_book", 3), ("carry_book", 3)]
    market = hold(PANEL, "at hand")
    return list(ask_market(settings, market, "book", name_market, cases, now=NOW, until=NOW))


def test_here_the_market_at_hand_is_asked_case_by_case(tmp_path):
    assert ask(Settings(home=tmp_path)) == [
        ("embedded", "at hand", "trend_book", 3),
        ("embedded", "at hand", "carry_book", 3),
    ]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Settings of the cluster, what was said on the way, and by what panel to set for the workers."""
    said = []
    monkeypatch.setattr(market_cases, "scan_view", lambda _, view: said.append(view.name))

    def run_here(settings, name, function, cases):
        said.append(name)
        sent = settings.model_copy(update={"profile": "embedded"})
        return [function(sent, *case) for case in cases]

    def give_workers(panel):
        monkeypatch.setattr(market_cases, "load_market", lambda _, now, until: hold(panel, (now, until)))

    monkeypatch.setattr(market_cases, "run_cases", run_here)
    settings = Settings(home=tmp_path).model_copy(update={"profile": "cluster"})
    return SimpleNamespace(settings=settings, said=said, give_workers=give_workers)


def test_workers_load_the_market_of_the_same_hours_after_its_files_have_come(cluster):
    """Files of an object store come to the job: a worker has no credentials of it."""
    cluster.give_workers(replace(PANEL, opens=PANEL.opens.copy()))
    assert ask(cluster.settings) == [
        ("embedded", (NOW, NOW), "trend_book", 3),
        ("embedded", (NOW, NOW), "carry_book", 3),
    ]
    assert cluster.said == ["asset_books", "pair_books", "pair_spreads", "book"]


def raise_close(panel):
    closes = panel.closes.copy()
    closes[4, 2] = np.nextafter(closes[4, 2], np.inf)
    return replace(panel, closes=closes)


OTHERS = {
    "a price in its last bit": raise_close,
    "a late bar": lambda panel: replace(panel, late=panel.late + (np.arange(panel.hours) == 7)[:, None]),
    "a settlement": lambda panel: replace(panel, rates=np.where(np.isnan(panel.rates), 0.0, panel.rates)),
    "another name": lambda panel: replace(panel, names=(*panel.names[:-1], "ZEC")),
    "an hour less": lambda panel: replace(panel, closes=panel.closes[:-1]),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_a_worker_that_finds_another_market_says_so_and_answers_nothing(cluster, change):
    cluster.give_workers(change(PANEL))
    with pytest.raises(DataError, match="others for a worker"):
        ask(cluster.settings)
