"""How things stand at the moment of a scrape: read off the status and the journal. What is not known is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.limits.account_limits import find_used
from serving.metrics.order_ends import count_order_ends
from serving.metrics.readings import Readings
from serving.status import Status

_STATES = {"trading": 0, "guarding": 1, "halted": 2}


class Standing(Collector):
    """Collector of gauges: one reading of the status per scrape."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def describe(self) -> list[Metric]:
        """Return nothing: names are not asked for before the process is read."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is known now."""
        status = self._readings.status()
        yield CounterMetricFamily("pairity_cycles", "Decisions made by this process.", status.cycles)
        for name, text, value in (*_list_state(status), *self._list_ages(status), *self._list_measures(status)):
            # What is not known is left out: a gauge of 0 would be a claim.
            if value is not None:
                yield GaugeMetricFamily(name, text, value)
        yield self._list_limits()
        yield _describe_process(status)
        if (ends := count_order_ends(self._readings.journal)) is not None:
            orders = CounterMetricFamily(
                "pairity_orders", "Orders of the journal that have ended.", labels=["purpose", "end"]
            )
            for (purpose, end), count in ends.items():
                orders.add_metric([purpose, end], count)
            yield orders

    def _list_ages(self, status: Status) -> Iterator[tuple[str, str, float | None]]:
        now: datetime | None = None
        with suppress(Exception):  # a clock that fails: no age is known then
            now = self._readings.now()
        yield "pairity_data_age_seconds", "Age of the bar that was decided on last.", _age(status.event_timestamp, now)
        yield (
            "pairity_watch_age_seconds",
            "Seconds since the venue was last looked at with success.",
            _age(status.watched, now),
        )
        yield "pairity_pulse_age_seconds", "Seconds since the loop gave a sign of life.", self._readings.pulse_age_s()
        yield (
            "pairity_log_lines_lost",
            "Lines of the log that could not be written, since the start.",
            self._readings.lost_lines(),
        )

    def _list_measures(self, status: Status) -> Iterator[tuple[str, str, float | None]]:
        seen = self._readings.sightings
        # While the venue cannot be read, what only it says is not known.
        read = seen.reachable is True
        yield (
            "pairity_clock_skew_seconds",
            "This machine's clock minus the venue's.",
            seen.clock_skew_s if read else None,
        )
        yield (
            "pairity_reconciliation_differences",
            "Things on which journal and venue did not agree at the last look.",
            seen.reconciliation.differences if read and seen.reconciliation is not None else None,
        )
        parity = seen.parity
        yield (
            "pairity_parity_values",
            "Values that the newest parity check compared.",
            None if parity is None else parity.values,
        )
        yield (
            "pairity_parity_different_values",
            "Values of the newest parity check that are not what the offline store says.",
            None if parity is None else parity.different,
        )
        yield (
            "pairity_parity_checked_timestamp_seconds",
            "When the newest parity check ended, by this machine's clock, in Unix time.",
            None if parity is None else parity.at.timestamp(),
        )
        yield (
            "pairity_parity_blocks_promotion",
            "Whether differences keep promotions back: 1, or 0.",
            None if parity is None else int(parity.blocks),
        )
        drift = seen.drift
        of_last = drift is not None and status.event_timestamp == drift.at.isoformat()
        yield (
            "pairity_drift_share",
            "Share of the last decision's features far outside of training's.",
            drift.share if drift is not None and of_last else None,
        )

    def _list_limits(self) -> Metric:
        limits = GaugeMetricFamily(
            "pairity_limit_used_fraction", "Part of a limit that is used; above 1 it is exceeded.", labels=["limit"]
        )
        seen = self._readings.sightings
        if seen.account is not None and seen.reachable is True:
            for name, used in find_used(seen.account.measures, self._readings.limits).items():
                limits.add_metric([name], used)
        return limits


def _list_state(status: Status) -> Iterator[tuple[str, str, float | None]]:
    stream_open = None if status.stream is None else int(status.stream["state"] == "open")
    yield "pairity_equity_usdt", "Account equity as the venue reports it.", status.equity_usdt
    yield "pairity_available_usdt", "Available balance as the venue reports it.", status.available_usdt
    yield (
        "pairity_trading_state",
        "State of the process: 0 trading, 1 guarding (no entries), 2 halted.",
        _STATES.get(status.trading),
    )
    yield (
        "pairity_stream_open",
        "Whether the account's stream is open: 1, or 0 while only the watch looks.",
        stream_open,
    )
    yield "pairity_positions", "Open pair positions.", len(status.positions)
    yield "pairity_pairs_unusable", "Pairs that could not be scored last time.", len(status.unusable)
    yield "pairity_problems", "Problems of the last cycle.", len(status.problems)
    yield "pairity_guarding_causes", "Causes for which the process guards.", len(status.causes)
    yield "pairity_blocked_instruments", "Instruments in which nothing is opened.", len(status.blocked)


def _describe_process(status: Status) -> Metric:
    labels = {"mode": status.mode, "model": status.model.get("name", ""), "version": status.model.get("version", "")}
    described = GaugeMetricFamily("pairity_process", "What runs here; the value is 1.", labels=list(labels))
    described.add_metric(list(labels.values()), 1)
    return described


def _age(text: str | None, now: datetime | None) -> float | None:
    """Return seconds since a time; None where one of the two is not known."""
    return None if text is None or now is None else (now - datetime.fromisoformat(text)).total_seconds()
