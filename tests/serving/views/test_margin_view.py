"""What the API says of positions in isolated margin, and of cross ones beside somebody else's isolated."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.layout import Layout
from pairity.margin import MarginMode
from pairity.settings import Settings, StrategySettings
from pairity.strategy.types import Side
from serving.journal.reading import ReadingJournal
from serving.views.base import Inputs
from serving.views.positions import view_positions
from serving.views.risk import view_risk
from serving.views.status import view_status
from tests.paper_exchange.handmade_market import BTC
from tests.serving.margin_scene import MODES, Scene, Watched, play
from tests.serving.trading import entry, opened


@pytest.mark.parametrize("mode", MODES)
def test_a_position_shows_its_own_margin_and_not_its_neighbours(tmp_path: Path, mode: MarginMode) -> None:
    async def act(scene: Scene) -> None:
        await opened(scene.desk, entry(Side.BUY, "5", margin=mode))
        scene.trade("sell", "1", mode.other)
        process = Watched(scene, mode, tmp_path)
        process.parts.sightings.contracts = scene.desk.executor.contracts
        await process.watch.look()
        await process.watch.measure()
        settings = Settings(home=tmp_path, strategy=StrategySettings(margin_mode=mode))
        with closing(ReadingJournal.connect(tmp_path / "journal.db")) as journal:
            seen = Inputs(
                journal=journal,
                status=process.status,
                sightings=process.parts.sightings,
                settings=settings,
                layout=Layout.of(settings),
                now=process.parts.clock.now(),
            )
            (item,) = view_positions(seen).items
            risk, status = view_risk(seen), view_status(seen)
        (leg,) = item.legs
        held = scene.account.positions[scene.holding()]
        assert (item.margin_mode, status.margin_mode) == (mode, mode)
        assert leg.mark_price == "80000"
        assert risk.exposure.gross_usdt == 4000
        if mode is MarginMode.ISOLATED:
            assert Decimal(leg.margin_usdt or 0) == held.margin == pytest.approx(Decimal(800), rel=Decimal("0.001"))
            ratio = (held.margin + held.unrealized(Decimal(80_000))) / 18
            assert leg.margin_ratio == pytest.approx(float(ratio))
            assert float(leg.liquidation_price or 0) == pytest.approx(64_284, rel=1e-3)
            ratios = [ratio, scene.account.cross_equity() / Decimal("3.6")]
        else:
            assert (leg.margin_usdt, leg.margin_ratio) == (None, None)
            ratios = [scene.account.cross_equity() / 18]
        measured = process.watch.limiter.measured
        assert measured is not None
        assert float(measured.margin_ratio or 0) == pytest.approx(float(min(ratios)))
        assert measured.equity == scene.account.equity(), "isolated margin is part of the equity"
        assert process.parts.sightings.positions[BTC].margin_mode == mode

    play(tmp_path, mode, act)


def test_little_margin_of_one_isolated_position_stops_entries(tmp_path: Path) -> None:
    """At a leverage of 50 the position has 2%, 4.4 times what it must have; a fall of 1% leaves less than 3 times."""
    fall = [(80_000, 80_000, 80_000, 80_000)] * 2 + [(79_200, 79_200, 79_200, 79_200)] * 500

    async def act(scene: Scene) -> None:
        await opened(scene.desk, entry(Side.BUY, "5", margin=scene.margin))
        process = Watched(scene, scene.margin, tmp_path)
        await process.watch.look()
        assert process.status.causes == {}
        scene.pass_to(8)
        await process.watch.look()
        assert "limits.margin_ratio" in process.status.causes["limits"]
        assert len(scene.account.live_algos()) == 1

    play(tmp_path, MarginMode.ISOLATED, act, path=fall, leverage=50)


def test_little_margin_of_somebody_elses_isolated_position_is_not_ours(tmp_path: Path) -> None:
    fall = [(80_000, 80_000, 80_000, 80_000)] * 2 + [(79_200, 79_200, 79_200, 79_200)] * 500

    async def act(scene: Scene) -> None:
        await scene.desk.venue.ensure_leverage(BTC, 50, MarginMode.ISOLATED)
        scene.trade("buy", "5", MarginMode.ISOLATED)
        process = Watched(scene, scene.margin, tmp_path)
        scene.pass_to(8)
        await process.watch.look()
        assert process.status.causes == {}

    play(tmp_path, MarginMode.CROSS, act, path=fall)
