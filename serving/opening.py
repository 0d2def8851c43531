"""Opening of the trading process, in an order that refuses before it changes anything.

First what guards (clock, venue, journal), then what decides (contracts, model, pipeline, features). Where something is
at stake, nothing of it ends the process: what guards is tried until it opens, and what decides while it guards.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from feature_repo.contract_specs import read_contracts
from ingestion.pipeline import Pipeline
from pairity.backoff import Backoff
from pairity.code_revision import read_code_revision
from pairity.digest import digest_bytes
from pairity.errors import (
    ConfigError,
    CredentialsError,
    DataError,
    MissingDataError,
    RegistryError,
    TradingError,
    VenueAnswerError,
    VenueError,
    VenueRejectedError,
)
from pairity.journal_place import JournalPlace
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import Clock
from pairity.universe import ContractSpec, exact, inst_id
from serving.alerts.events import Events
from serving.alerts.start_alarm import StartAlarm
from serving.child_jobs import DailyJob
from serving.error_states import describe
from serving.execution.executor import Executor
from serving.execution.limit_entries import LimitTerms
from serving.execution.okx import OkxVenue
from serving.execution.orders import OrderDesk
from serving.held_assets import list_held_assets
from serving.hourly_data import HourlyData, LiveData
from serving.journal import Journal, Purpose, Run
from serving.journal.book_pages import TRADES
from serving.journal.opened import is_there
from serving.models.champion import Champion
from serving.models.deciding_model import DecidingModel
from serving.models.shadow import Shadow
from serving.parity_job import ParityJob
from serving.parts import GuardParts, Parts
from serving.presence import Presence
from serving.replay.stand_ins import StandIns
from serving.report import describe_model
from serving.retraining import Retrainer
from serving.risk import Mode, check_balance, check_leverage
from serving.status import Status
from serving.supervisor import Supervisor
from serving.wakes import start_stream
from venue.clock import SteppedClock
from venue.okx_stream import OkxStream

if TYPE_CHECKING:
    from decimal import Decimal

    from feast import FeatureStore

_LOG = logging.getLogger("pairity.serving")
_MENDED_BY_A_PERSON = (ConfigError, CredentialsError, MissingDataError, RegistryError, TradingError)
_RETRIES = Backoff(first_s=1.0, cap_s=15.0)
"""Real seconds between two tries to reach the venue: its clock is not known yet."""


class Stakes(NamedTuple):
    """What the journal says before a start: whether trading ever began here, and whether something is open."""

    began: bool
    open: bool
    book: str | None = None
    """What a book holds here, or leaves under way, in words; None where there is nothing of one."""
    pairs: bool = False
    """Whether positions or orders of pairs are open."""

    @property
    def may_wait(self) -> bool:
        """Whether a start may wait for anything: trading began here before."""
        return self.open or self.began

    def allow_waiting(self, error: Exception) -> bool:
        """Return whether the process waits for what failed to pass: with something open always.

        Otherwise only where trading has begun before, and the error is none that a person must mend.
        """
        return self.open or (self.began and not isinstance(error, _MENDED_BY_A_PERSON))


def read_stakes(journal: JournalPlace) -> Stakes:
    """Return the stakes: positions that are open, and orders whose end is not known.

    JournalError where the journal cannot be used: without it nobody knows what is ours.
    """
    if not is_there(journal):
        return Stakes(began=False, open=False)
    known = Journal.read(journal)
    try:
        pending = known.unsettled()
        held = known.books.count_held()
        trades = [intent for intent in pending if intent.purpose in TRADES]
        newest = known.books.newest() if held or trades else None
        book = None if newest is None else f"{newest.family}: {format_count(len(held), 'name')} held"
        pairs = bool(known.open_positions() or [one for one in pending if one.purpose in (Purpose.ENTRY, Purpose.EXIT)])
        return Stakes(known.last_decision() is not None, bool(pairs or pending or held), book, pairs)
    finally:
        known.close()


class Opening:
    """Opening of one process; what it opens is closed with `stack`."""

    def __init__(
        self,
        settings: Settings,
        mode: Mode,
        progress: Progress,
        stack: contextlib.AsyncExitStack,
        venue: OkxVenue,
        presence: Presence,
        stand_ins: StandIns | None = None,
    ) -> None:
        self._settings = settings
        self._assets = settings.universe.traded
        self._mode = mode
        self._layout = Layout.of(settings)
        self._progress = progress
        self._stack = stack
        self._venue = venue
        self._presence = presence
        self._metrics = presence.metrics
        self._contracts: dict[str, ContractSpec] = {}
        self._stand_ins = stand_ins or StandIns()
        self._champion: DecidingModel | None = None
        self._parts: Parts | None = None

    def prepare(self, pinned: str | None) -> None:
        """Read and load what decides, where nothing is at stake: a start that cannot trade is refused here."""
        self.load_champion(pinned)

    def _read_contracts(self) -> None:
        self._contracts.update(_read_universe_contracts(self._assets, self._layout, self._progress))

    def load_champion(self, pinned: str | None) -> DecidingModel:
        """Read the contracts and load the champion, once. Raises what their modules raise."""
        if self._champion is None:
            self._read_contracts()
            stand_in = self._stand_ins.open_champion
            self._champion = Champion(self._settings, self._mode, pinned=pinned) if stand_in is None else stand_in()
            if (trial := self._champion.ref.explain_trial()) is not None:
                self._progress.say(trial)
        return self._champion

    async def open_guard(self, stakes: Stakes) -> GuardParts:
        """Connect to the venue, for which `stakes` may make it wait, and open the journal."""
        clock = await self._connect(stakes)
        journal = self._stand_ins.open_journal(self._layout.journal_place)
        self._stack.callback(journal.close)
        sightings, status = self._presence.sightings, self._presence.status
        sightings.started_at, sightings.contracts = clock.now(), self._contracts
        events = Events(journal, clock.now, self._metrics.count_alert)
        events.flush()  # before the first state: a journal that is older than its events begins here
        if not self._contracts:
            await self._read_contracts_somewhere(journal)
        desk = OrderDesk(self._venue, journal, clock, self._stand_ins.make_pace(self._settings.serve))
        guard = GuardParts(
            settings=self._settings,
            clock=clock,
            executor=Executor(
                desk,
                self._contracts,
                self._settings.strategy.leverage,
                exact(self._settings.strategy.hedge_tolerance),
                LimitTerms.of(self._settings),
            ),
            journal=journal,
            contracts=self._contracts,
            status=status,
            progress=self._progress,
            supervisor=Supervisor(journal, status, clock.now, self._progress.say, self._note_error),
            events=events,
            stream=self._open_stream(clock, status),
            sightings=sightings,
            metrics=self._metrics,
            pulse=self._presence.pulse,
        )
        self._presence.attach(guard)
        return guard

    def _note_error(self, cause: str, error: BaseException) -> None:
        self._metrics.count_error(cause)
        _LOG.error("%s failed: %s", cause, describe(error), exc_info=error)

    def _open_stream(self, clock: Clock, status: Status) -> OkxStream | None:
        """Return the account's stream, started; None where it is not wanted, or where no time passes to wait in."""
        if not self._settings.serve.stream or isinstance(clock, SteppedClock):
            return None
        stream = start_stream(self._settings, status, live=self._mode is Mode.LIVE)
        if stream is not None:
            self._stack.push_async_callback(stream.close)
        return stream

    async def open_parts(self, guard: GuardParts, pinned: str | None) -> Parts:
        """Open what decides, once; after a failure it may be called again. Raises what its parts raise."""
        if self._parts is not None:
            return self._parts
        settings, status, journal, clock = self._settings, guard.status, guard.journal, guard.clock
        champion = self.load_champion(pinned)
        status.model, guard.sightings.model = describe_model(champion.ref), champion.ref
        async with contextlib.AsyncExitStack() as opened:
            data = await self._open_data(opened, clock)
            model = champion.ref
            run = make_run(settings, clock, self._mode, model.name, model.version, model.sha256)
            shadow = Shadow(settings, journal, status, self._progress.say) if settings.serve.shadow else None
            jobs: list[DailyJob] = []
            if settings.parity.daily and (settings.parity.stepped or not isinstance(clock, SteppedClock)):
                check = ParityJob(settings, clock, journal, guard.events, self._progress.say)
                opened.push_async_callback(check.aclose)
                jobs.append(check)
            if settings.serve.retrain:
                retrainer = Retrainer(settings, clock, journal, run.run_id, status, guard.events, self._progress.say)
                opened.push_async_callback(retrainer.aclose)
                jobs.append(retrainer)
            # Only while flat: margin of an open position lowers what is available.
            if not journal.open_positions():
                check_leverage(settings, guard.contracts)
                prices = await _read_prices(self._venue, guard.contracts)
                check_balance(await self._venue.balance(), settings, guard.contracts, prices)
            journal.record_run(run)
            self._parts = Parts(
                **{name: getattr(guard, name) for name in GuardParts.__dataclass_fields__},
                data=data,
                champion=champion,
                shadow=shadow,
                run_id=run.run_id,
                jobs=tuple(jobs),
            )
            self._stack.push_async_callback(opened.pop_all().aclose)
        return self._parts

    async def _open_data(self, opened: contextlib.AsyncExitStack, clock: Clock) -> HourlyData:
        if self._stand_ins.open_data is not None:
            return self._stand_ins.open_data(self._settings, clock)
        pipeline = await opened.enter_async_context(Pipeline(self._settings, clock))
        return LiveData(pipeline, _open_store(self._settings))

    async def _connect(self, stakes: Stakes) -> Clock:
        """Return the clock of a venue that answers and is in net mode. Raises VenueError where it does not wait."""
        tries, alarm = 0, StartAlarm(self._settings.alerts, f"pairity {self._mode}")
        try:
            while True:
                self._presence.note_connecting()
                try:
                    clock = await self._stand_ins.open_clock(self._settings.exchange)
                    await self._venue.ensure_net_mode()
                except (VenueError, ConfigError) as error:
                    if not stakes.allow_waiting(error):
                        raise
                    wait_s = _RETRIES.delay_s(tries)
                    self._progress.say(f"the venue cannot be used: {error.what}; again in {wait_s:.0f} s")
                    alarm.note(error.what)
                    self._presence.note_waiting(error.what)
                    await asyncio.sleep(wait_s)
                    tries += 1
                else:
                    self._presence.note_connected()
                    return clock
        finally:
            await alarm.close()

    async def _read_contracts_somewhere(self, journal: Journal) -> None:
        """Read the contracts that guarding needs, from the venue where the stored ones cannot be read.

        What is held needs its contract, too, where a person has taken it out of the universe.
        """
        with contextlib.suppress(DataError, OSError):
            self._contracts.update(read_contracts(self._layout))
        with contextlib.suppress(VenueError):
            listings = await self._venue.listings()
            wanted = {inst_id(asset): asset for asset in (*self._assets, *list_held_assets(journal))}
            self._contracts.update({wanted[name]: row.spec for name, row in listings.items() if name in wanted})


def _read_universe_contracts(assets: Sequence[str], layout: Layout, progress: Progress) -> dict[str, ContractSpec]:
    """Return the contracts of `assets`; those that were never ingested are left out, and named.

    The watch takes them over once the venue lists them. MissingDataError where none is known.
    """
    known = read_contracts(layout)
    missing = [asset for asset in assets if asset not in known]
    if len(missing) == len(assets):
        raise MissingDataError(
            f"no contract specification is known for {', '.join(missing)}", "run pairity ingest for the whole universe"
        )
    if missing:
        progress.say(f"left out until the venue lists them: {', '.join(missing)} (no contract specification is known)")
    return {asset: known[asset] for asset in assets if asset in known}


def _open_store(settings: Settings) -> FeatureStore:
    from feature_repo.feature_store import apply_definitions, open_store

    store = open_store(settings)
    apply_definitions(settings, store)
    return store


async def _read_prices(venue: OkxVenue, contracts: dict[str, ContractSpec]) -> dict[str, Decimal]:
    """Return the last price by asset, without those that the venue does not say: a swap that is gone has none.

    Raises the venue's refusal where it says not one of them.
    """
    prices: dict[str, Decimal] = {}
    refusal: VenueError | None = None
    for asset in contracts:
        try:
            prices[asset] = await venue.last_price(inst_id(asset))
        except (VenueRejectedError, VenueAnswerError) as error:
            refusal = error
    if refusal is not None and not prices:
        raise refusal
    return prices


def make_run(settings: Settings, clock: Clock, mode: Mode, name: str, version: str, sha256: str) -> Run:
    """Return the record of a start: by which settings, model (name, version, digest) and code it trades."""
    # Secrets are dumped as asterisks: the digest tells settings apart, not keys.
    digest = digest_bytes(settings.model_dump_json().encode())
    revision = read_code_revision()
    code = f"{revision.commit or 'unknown'}{'-dirty' if revision.dirty else ''}"
    return Run(
        run_id=uuid.uuid4().hex,
        started_at=clock.now(),
        mode=str(mode),
        settings_digest=digest,
        model_name=name,
        model_version=version,
        model_sha256=sha256,
        code_revision=code,
    )
