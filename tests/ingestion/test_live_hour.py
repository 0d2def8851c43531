"""A live hour asks only for what can have changed, and stages what asking for everything would have staged."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.collector import Collector
from ingestion.lake import Lake
from ingestion.sources.okx import OkxSource
from ingestion.sources.okx_schedule import Settlements, read_settlements
from ingestion.staging import Staging
from ingestion.targets import targets_of_ingest
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.timeline import HOUR, MINUTE, to_ms
from tests.ingestion.staged import everything, rows_of
from tests.ingestion.venue import UNTIL, synthetic, venue
from tests.ingestion.wide_market import CountingPlan, WideMarket
from venue.okx_client import aclose, make_client

DATASETS = ("funding", "mark_1h", "index_1h", "open_interest")
PER_ASSET = (
    "market/history-candles",
    "market/history-mark-price-candles",
    "market/history-index-candles",
    "rubik/stat/contracts/open-interest-history",
)
HISTORY, SCHEDULE = "public/funding-rate-history", "public/funding-rate"
LAG = timedelta(seconds=30)
START = UNTIL  # 05:00
SETTLEMENT = UNTIL.replace(hour=8)


def names_of(count: int) -> tuple[str, ...]:
    return tuple(f"A{number:02d}" for number in range(count))


class Hours:
    """A lake at `START` that lives through hours: what each of them stages also enters the lake, as it came."""

    def __init__(self, okx, home, assets, rate_limit) -> None:
        self.okx, self.assets = okx, assets
        settings = okx.settings(home, assets=assets)
        exchange = settings.exchange.model_copy(update={"rate_limit": rate_limit})
        self.settings = settings.model_copy(update={"exchange": exchange})
        self.lake = Lake(Layout(home), durable=False)

    @asynccontextmanager
    async def client(self):
        client = make_client(self.settings, signed=False)
        try:
            yield client
        finally:
            await aclose(client)

    def collect(self, close, *, everything_asked=False, since=None):
        """Staging and failures of one live hour, or of asking as if nothing were known about settlements."""
        self.okx.step_to(close + LAG)
        staging = Staging(Layout(self.lake.root.parent), persistent=everything_asked)
        self.urls = []

        async def run():
            async with self.client() as client:
                fetch = client.fetch

                async def noting(url, *args, **options):
                    self.urls.append(url)
                    return await fetch(url, *args, **options)

                client.fetch = noting
                source = (OkxSource.of if everything_asked else OkxSource.live)(client, self.settings)
                targets = targets_of_ingest(DATASETS, since or close - HOUR - MINUTE, close)
                collector = Collector(source, self.lake, staging, self.okx)
                return await collector.collect(self.assets, targets, self.okx.now(), SilentProgress())

        return staging, asyncio.run(run())

    def keep(self, staging) -> None:
        with self.lake.writing():
            for dataset in staging.datasets():
                for month in staging.months(dataset):
                    rows, covered = staging.read(dataset, month), staging.covered(dataset, month)
                    for asset in {*rows["asset"], *covered}:
                        own = rows.filter(rows["asset"] == asset).drop("asset")
                        self.lake.write(dataset, asset, own, covered=covered.get(asset, ()))

    def live(self, close, **options):
        staging, failures = self.collect(close, **options)
        self.keep(staging)
        return staging, failures


@pytest.fixture
def counted(tmp_path):
    """Make a venue with so many assets, and the hours of a process; without limits it has lived until `START`."""
    opened = []

    def make(count, market=None, *, rate_limits=False):
        names, plan = names_of(count), CountingPlan()
        market = market or WideMarket(synthetic(), names)
        context = venue(market, START + LAG, faults=plan, rate_limits=rate_limits)
        okx = context.__enter__()
        opened.append(context)
        hours = Hours(okx, tmp_path, names, rate_limits)
        if not rate_limits:
            _, failures = hours.live(START, everything_asked=True, since=START - 6 * HOUR)
            assert failures == ()
            shutil.rmtree(tmp_path / "staging")
            plan.requests.clear()
        return hours, plan

    yield make
    for context in opened:
        context.__exit__(None, None, None)


@pytest.mark.parametrize("count", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_requests_of_an_hour_between_and_at_settlements(counted, count):
    hours, plan = counted(count)
    for hour in range(1, 5):
        close = START + hour * HOUR
        _, failures = hours.live(close)
        assert failures == ()
        asked = dict.fromkeys(PER_ASSET, count) | {SCHEDULE: 1}
        if close == SETTLEMENT:
            asked[HISTORY] = count
        assert dict(plan.requests) == asked, close
        plan.requests.clear()


def test_within_the_limits_of_the_venue_nothing_is_asked_twice(counted):
    """The exchange enforces its limits: a client that exceeded one would have to ask again."""
    hours, plan = counted(25, rate_limits=True)
    _, failures = hours.live(START)
    assert failures == ()
    assert dict(plan.requests) == dict.fromkeys(PER_ASSET, 25) | {SCHEDULE: 1}


def test_pages_are_no_larger_than_the_hour(counted):
    hours, _ = counted(3)
    hours.live(START + HOUR)
    limits = {urlsplit(url).path.rpartition("/")[2]: parse_qs(urlsplit(url).query).get("limit") for url in hours.urls}
    assert limits == {
        "history-candles": ["61"],
        "history-mark-price-candles": ["2"],
        "history-index-candles": ["2"],
        "open-interest-history": ["3"],
        "funding-rate": None,
    }


def test_an_hour_stages_what_asking_for_everything_would_have_staged(counted):
    hours, _ = counted(3)
    for hour in range(1, 6):
        close = START + hour * HOUR
        asked, _ = hours.collect(close, everything_asked=True)
        staging, failures = hours.collect(close)
        assert failures == ()
        ours, theirs = everything(staging), everything(asked)
        if close != SETTLEMENT:  # the schedule alone completes no range
            assert not any(staging.covered("funding", month) for month in staging.months("funding"))
            theirs = {place: found for place, found in theirs.items() if place[0] != "funding"}
            assert all(not rows for place, (rows, _) in everything(asked).items() if place[0] == "funding")
        assert ours == theirs
        assert (rows_of(staging, "funding", "A00").height > 0) == (close == SETTLEMENT)
        for dataset, month in [(name, month) for name in asked.datasets() for month in asked.months(name)]:
            asked.clear(dataset, month)
        hours.keep(staging)


def test_hours_that_were_missed_are_asked_with_their_settlement(counted):
    hours, plan = counted(3)
    staging, _ = hours.live(START + 4 * HOUR, since=START - MINUTE)
    assert plan.requests[HISTORY] == 3
    assert rows_of(staging, "funding", "A01")["funding_time"].to_list() == [SETTLEMENT]


def test_a_settlement_that_appears_late_is_found_and_not_noted_before(counted):
    hours, plan = counted(3)
    for hour in (1, 2):
        hours.live(START + hour * HOUR)
    hours.okx.faults.add("late_settlement", HISTORY, None)
    staging, failures = hours.live(SETTLEMENT)
    assert failures == ()
    assert rows_of(staging, "funding", "A00").is_empty()
    assert staging.coverage("funding", "A00", START, SETTLEMENT + HOUR)[-1][1] < SETTLEMENT
    plan.requests.clear()
    staging, _ = hours.live(SETTLEMENT + HOUR)  # it is older than the venue's delay now
    assert plan.requests[HISTORY] == 3
    assert rows_of(staging, "funding", "A00")["funding_time"].to_list() == [SETTLEMENT]
    plan.requests.clear()
    hours.live(SETTLEMENT + 2 * HOUR)
    assert plan.requests[HISTORY] == 0


def test_a_venue_that_changes_the_interval_loses_no_settlement(counted):
    settled = [UNTIL.replace(hour=0), *(UNTIL + minutes * MINUTE for minutes in (60, 120, 135, 240, 480))]
    market = WideMarket(synthetic(), names_of(3), [to_ms(at) for at in settled])
    hours, _ = counted(3, market)
    for hour in range(1, 10):
        hours.live(START + hour * HOUR)
    found = hours.lake.scan("funding", ["A02"], START, START + 10 * HOUR).collect()["funding_time"].to_list()
    assert found == [at for at in settled if at >= START]


@pytest.mark.parametrize(
    "fault",
    [
        "html_502",
        "no_prev_funding",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("rate_limit_html", "html_200")),
    ],
)
def test_without_a_schedule_the_history_is_asked(counted, fault):
    hours, plan = counted(3)
    hours.okx.faults.add(fault, SCHEDULE, None)
    staging, failures = hours.live(START + HOUR)
    assert failures == ()
    assert plan.requests[HISTORY] == 3
    assert 1 <= plan.requests[SCHEDULE] <= 2
    assert rows_of(staging, "funding", "A00").is_empty()


def test_a_history_that_fails_notes_nothing(counted):
    hours, _ = counted(3)
    for hour in (1, 2):
        hours.live(START + hour * HOUR)
    hours.okx.faults.add("code", HISTORY, None, {"code": "50000", "msg": "no"})
    staging, failures = hours.live(SETTLEMENT)
    assert {failure.dataset for failure in failures} == {"funding"}
    assert len(failures) == 3
    assert staging.coverage("funding", "A00", START, SETTLEMENT + HOUR) == ()


def test_an_answer_that_breaks_the_protocol_is_a_failure_of_its_instrument_alone(counted, monkeypatch):
    hours, _ = counted(3)
    ask = OkxSource.ask

    async def spoiling(self, dataset, asset, unit):
        answer = await ask(self, dataset, asset, unit)
        if (dataset, asset) in {("candles_1m", "A01"), ("mark_1h", "A02")}:
            return replace(answer, rows=[[*row[:1], "n/a", *row[2:]] for row in answer.rows])
        return answer

    monkeypatch.setattr(OkxSource, "ask", spoiling)
    staging, failures = hours.live(START + HOUR)
    assert [(failure.asset, failure.dataset) for failure in failures] == [("A01", "candles"), ("A02", "mark_1h")]
    assert all("not a number" in failure.reason for failure in failures)
    months = staging.months("candles_1m")
    assert set(staging.read("candles_1m", months[0])["asset"]) == {"A00", "A02"}
    assert set(staging.covered("mark_1h", months[0])) == {"A00"}  # without candles nothing else of A01 is of use
    assert set(staging.covered("open_interest", months[0])) == {"A00", "A02"}
    assert staging.covered("funding", months[0]) == {}  # by the schedule: it completes nothing


def test_what_a_wrong_schedule_hides_is_found_by_the_next_run_over_its_range(counted, monkeypatch):
    hours, plan = counted(3)

    async def wrong(self, asset, since, until):
        return True

    with monkeypatch.context() as patch:
        patch.setattr("ingestion.sources.okx_schedule.SettlementSchedule.exclude", wrong)
        for hour in range(1, 7):  # long enough for a history's empty answer to be noted
            hours.live(START + hour * HOUR)
    assert plan.requests[HISTORY] == 0
    assert hours.lake.coverage("funding", "A00", START, START + 6 * HOUR) == ()
    staging, failures = hours.live(START + 7 * HOUR, since=START)
    assert failures == ()
    assert rows_of(staging, "funding", "A00")["funding_time"].to_list() == [SETTLEMENT]


INSTANTS = st.integers(0, 48 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + minutes * MINUTE)


@given(
    settled=st.sets(INSTANTS, min_size=3),
    announced=INSTANTS,
    heard=INSTANTS,
    since=INSTANTS,
    length=st.integers(1, 600),
)
def test_nothing_is_excluded_that_was_settled(settled, announced, heard, since, length):
    """Whenever the venue is heard, and also where it settles earlier than it had announced."""
    until = since + length * MINUTE
    past = [at for at in settled if at <= heard]
    if past and announced > heard:
        excluded = Settlements(max(past), announced, heard).exclude(since, until)
        assert not (excluded and any(since <= at < until for at in settled))
        assert excluded or not (max(past) < since and until <= heard)


def test_a_row_that_says_too_little_excludes_nothing():
    times = {"prevFundingTime": "1785542400000", "fundingTime": "1785571200000", "ts": "1785548167559"}
    row = {"instId": "BTC-USDT-SWAP", "settState": "settled", **times}
    assert read_settlements(row) is not None
    for broken in ({"settState": "processing"}, {"instId": ""}, *({name: ""} for name in times)):
        assert read_settlements({**row, **broken}) is None
    for name in row:
        assert read_settlements({key: value for key, value in row.items() if key != name}) is None
    assert read_settlements(["BTC-USDT-SWAP"]) is None
