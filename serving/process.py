"""The trading process: everything that the loop needs, opened in an order that refuses before it changes anything."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from feature_repo.contract_specs import read_contracts
from ingestion.pipeline import Pipeline
from model_registry.records import ModelRef
from pairity.code_revision import read_code_revision
from pairity.digest import digest_bytes
from pairity.errors import MissingDataError, StaleFeaturesError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import Clock
from pairity.universe import ContractSpec, exact, inst_id
from serving.api import Status, make_app, serve_api
from serving.execution.executor import Executor
from serving.execution.okx import OkxVenue
from serving.execution.orders import OrderDesk
from serving.execution.pace import Pace
from serving.journal import Journal, Run
from serving.loop import TradingLoop
from serving.models.champion import Champion
from serving.models.shadow import Shadow
from serving.parts import Parts
from serving.report import ServeReport, describe_model
from serving.retraining import Retrainer
from serving.risk import Mode, check_balance, choose_mode
from serving.shutdown import stop_on_signals
from venue.clock import clock_for
from venue.okx_client import aclose, make_client

if TYPE_CHECKING:
    from decimal import Decimal

    from feast import FeatureStore


async def serve(
    settings: Settings,
    *,
    live: bool,
    cycles: int | None,
    progress: Progress,
    on_ready: Callable[[str], None],
    model_version: str | None = None,
) -> ServeReport:
    """Trade until `cycles` bars are decided or a signal asks to stop; `on_ready` gets the status API's base URL.

    With `model_version` only that version may open positions.

    Refuses, in this order: real money without both switches, no credentials, missing contracts, no champion,
    one that is not signed and without a predecessor that is,
    one whose files were changed or, for real money, that did not pass the gate, an unreachable venue or wrong
    credentials, a balance too small to trade, positions that are not ours.
    StaleFeaturesError after a run in which not one decision found fresh features.
    """
    mode = choose_mode(settings, live=live)
    layout = Layout.of(settings)
    async with contextlib.AsyncExitStack() as stack:
        client = make_client(settings, signed=True, live=mode is Mode.LIVE)
        stack.push_async_callback(aclose, client)
        contracts = _read_universe_contracts(settings, layout)
        champion = Champion(settings, mode, pinned=model_version)
        clock = await clock_for(settings.exchange)
        venue = OkxVenue(client, retries=settings.exchange.max_retries)
        await venue.ensure_net_mode()
        journal = Journal.open(layout.journal)
        stack.callback(journal.close)
        executor = Executor(
            OrderDesk(venue, journal, clock, Pace.of(settings.serve)),
            contracts,
            settings.strategy.leverage,
            exact(settings.strategy.hedge_tolerance),
        )
        session = await stack.enter_async_context(Pipeline(settings, clock))
        run = _make_run(settings, clock, mode, champion.ref)
        status = Status(mode=str(mode), market=settings.exchange.url or "OKX", model=describe_model(champion.ref))
        shadow = Shadow(settings, journal, status, progress.say) if settings.serve.shadow else None
        retrainer = None
        if settings.serve.retrain:
            retrainer = Retrainer(settings, clock, journal, run.run_id, status, progress.say)
            stack.push_async_callback(retrainer.aclose)
        parts = Parts(
            settings=settings,
            clock=clock,
            ingest=session,
            store=_open_store(settings),
            champion=champion,
            shadow=shadow,
            retrainer=retrainer,
            executor=executor,
            journal=journal,
            contracts=contracts,
            run_id=run.run_id,
            status=status,
            progress=progress,
        )
        # Only while flat: margin of an open position lowers what is available.
        if not journal.open_positions():
            check_balance(await venue.balance(), settings, contracts, await _read_prices(venue, contracts))
        journal.record_run(run)
        loop = TradingLoop(parts)
        url = await stack.enter_async_context(serve_api(make_app(lambda: status), settings.serve))
        on_ready(url)
        async with stop_on_signals(loop.stop):
            report = await loop.run(cycles)
    if report.cycles and report.blind == report.cycles:
        raise StaleFeaturesError(
            f"not one of {report.cycles} decisions found fresh features: {report.problems[-1]}",
            "look at pairity ingest's report and the Data Docs for what is missing or quarantined",
        )
    return report


def _read_universe_contracts(settings: Settings, layout: Layout) -> dict[str, ContractSpec]:
    """Return the contracts of the universe by asset; MissingDataError names those that were never ingested."""
    known = read_contracts(layout)
    missing = [asset for asset in settings.universe.assets if asset not in known]
    if missing:
        raise MissingDataError(
            f"no contract specification is known for {', '.join(missing)}", "run pairity ingest for the whole universe"
        )
    return {asset: known[asset] for asset in settings.universe.assets}


def _open_store(settings: Settings) -> FeatureStore:
    from feature_repo.feature_store import apply_definitions, open_store

    store = open_store(settings)
    apply_definitions(settings, store)
    return store


async def _read_prices(venue: OkxVenue, contracts: dict[str, ContractSpec]) -> dict[str, Decimal]:
    return {asset: await venue.last_price(inst_id(asset)) for asset in contracts}


def _make_run(settings: Settings, clock: Clock, mode: Mode, model: ModelRef) -> Run:
    # Secrets are dumped as asterisks: the digest tells settings apart, not keys.
    digest = digest_bytes(settings.model_dump_json().encode())
    revision = read_code_revision()
    code = f"{revision.commit or 'unknown'}{'-dirty' if revision.dirty else ''}"
    return Run(
        run_id=uuid.uuid4().hex,
        started_at=clock.now(),
        mode=str(mode),
        settings_digest=digest,
        model_name=model.name,
        model_version=model.version,
        model_sha256=model.sha256,
        code_revision=code,
    )
