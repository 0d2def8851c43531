"""What the page is tested with has the shape of what the API answers: every made-up answer is one of its models."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from serving.views.base import Page
from serving.views.decisions import DecisionItem, DecisionView, HeatMap
from serving.views.equity import EquityView
from serving.views.events import EventView
from serving.views.lineage import PairFeatures
from serving.views.model import ModelView
from serving.views.order_chain import OrderChainView
from serving.views.orders import OrderView
from serving.views.positions import PositionView
from serving.views.prices import CandleView, SeriesView
from serving.views.risk import RiskView
from serving.views.status import StatusView
from serving.views.trades import CalendarItem, TradeView
from serving.views.trust import TrustView
from tests.serving.dashboard.scenario_chain import BOOK, KNOWN, LOST, STOP
from tests.serving.dashboard.scenario_server import Desk, make_scenario_app
from tests.serving.dashboard.scenarios import SCENARIOS

MODELS = {
    "status": StatusView,
    "positions": Page[PositionView],
    "decisions": Page[DecisionItem],
    "orders": Page[OrderView],
    "trades": Page[TradeView],
    "events": Page[EventView],
    "equity": EquityView,
    "heatmap": HeatMap,
    "risk": RiskView,
    "model": ModelView,
    "trust": TrustView,
    "pairs/XRP__AVAX/series": SeriesView,
    "assets/XRP/candles": CandleView,
    **{f"why/{order}": OrderChainView for order in (BOOK, KNOWN, LOST, STOP)},
}


def answers_of(name: str, paths: list[str]) -> dict[str, dict]:
    async def ask() -> dict[str, dict]:
        transport = httpx.ASGITransport(make_scenario_app(Desk(scenario=name)))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return {path: (await client.get(f"/api/v1/{path}")).json() for path in paths}

    return asyncio.run(ask())


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - {"nothing_known"}))
def test_every_answer_of_a_scenario_has_the_shape_of_the_api(name):
    answers = answers_of(name, [*MODELS, "trades/calendar"])
    for path, model in MODELS.items():
        model.model_validate(answers[path])
    for item in answers["trades/calendar"]["items"]:
        CalendarItem.model_validate(item)


def test_a_decision_and_a_pair_of_it_have_the_shape_of_the_api():
    newest = answers_of("waiting", ["decisions"])["decisions"]["items"][0]["decision_id"]
    paths = [f"decisions/{newest}", f"decisions/{newest}/pairs/XRP__AVAX"]
    decision, pair = answers_of("waiting", paths).values()
    DecisionView.model_validate(decision)
    PairFeatures.model_validate(pair)
