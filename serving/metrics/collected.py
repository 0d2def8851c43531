"""What the trading process counts and times while it works. A registry of its own: nothing here is global.

A metric never touches trading: what goes wrong in here is counted as `pairity_metric_failures_total`, and goes no
further. Counters begin with 0 for every label that is known beforehand, so that the first event is an increase.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from pairity.strategy.types import Action
from serving.journal import DecisionRecord
from serving.metrics.reasons import KINDS, name_kind
from venue.request_reports import OUTCOMES, VenueRequest

SKIPPED = "skipped"
"""Action of a bar on which nothing could be decided."""
STEP_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_REQUEST_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = ("GET", "POST")


class Metrics:
    """Counters and histograms of one process; `registry` has them all."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._spent: dict[str, float] = {}
        self._decisions = Counter("pairity_decisions", "Decisions by action.", ["action"], registry=registry)
        self._refused_pairs = Counter(
            "pairity_refused_pairs",
            "Pairs that a decision did not open, by first reason.",
            ["reason"],
            registry=registry,
        )
        self._refused_entries = Counter(
            "pairity_refused_entries", "Entries decided and then not opened, by reason.", ["reason"], registry=registry
        )
        self._requests = Counter(
            "pairity_venue_requests", "Requests to the venue by outcome.", ["method", "outcome"], registry=registry
        )
        self._errors = Counter(
            "pairity_errors", "Errors that became a cause of guarding or halting.", ["cause"], registry=registry
        )
        self._alerts = Counter("pairity_alerts", "Alerts by severity.", ["severity"], registry=registry)
        self._deliveries = Counter(
            "pairity_alert_deliveries", "Tries to deliver an alert, by outcome.", ["outcome"], registry=registry
        )
        self._failures = Counter("pairity_metric_failures", "Metrics that could not be taken.", registry=registry)
        self._steps = Histogram(
            "pairity_step_seconds",
            "Wall-clock seconds of each step of a cycle; `decision` is the whole.",
            ["step"],
            buckets=STEP_BUCKETS_S,
            registry=registry,
        )
        self._looks = Histogram(
            "pairity_look_seconds", "Seconds of a look of the watch.", buckets=STEP_BUCKETS_S, registry=registry
        )
        self._request_seconds = Histogram(
            "pairity_venue_request_seconds",
            "Seconds of a request to the venue.",
            ["method"],
            buckets=_REQUEST_BUCKETS_S,
            registry=registry,
        )
        ProcessCollector(registry=registry)
        self._begin_with_zero()

    def count_decision(self, record: DecisionRecord) -> None:
        """Count a decision and the first reason against each pair."""
        with self.contained():
            self._decisions.labels(str(record.decision.action)).inc()
            for score in record.decision.scores:
                if score.rejected is not None:
                    self._refused_pairs.labels(name_kind(score.rejected)).inc()

    def count_skipped(self) -> None:
        """Count a bar that was given up: nothing was decided on it."""
        with self.contained():
            self._decisions.labels(SKIPPED).inc()

    def count_refused_entry(self, reason: str) -> None:
        """Count an entry that was decided and not opened."""
        with self.contained():
            self._refused_entries.labels(name_kind(reason)).inc()

    def count_error(self, cause: str) -> None:
        """Count an error that became a cause of guarding, or of a halt."""
        with self.contained():
            self._errors.labels(cause).inc()

    def count_alert(self, severity: str) -> None:
        """Count an alert that was raised."""
        with self.contained():
            self._alerts.labels(severity).inc()

    def count_delivery(self, outcome: str) -> None:
        """Count a try to deliver an alert: `delivered`, `failed`."""
        with self.contained():
            self._deliveries.labels(outcome).inc()

    def count_request(self, request: VenueRequest) -> None:
        """Count and time a request to the venue."""
        with self.contained():
            self._requests.labels(request.method, request.outcome.kind).inc()
            self._request_seconds.labels(request.method).observe(request.seconds)

    def observe_steps(self, spent: Mapping[str, float]) -> None:
        """Take what a stopwatch's totals (seconds per step) have grown by since the last call."""
        with self.contained():
            for step, total in spent.items():
                if (seconds := total - self._spent.get(step, 0.0)) > 0:
                    self._steps.labels(step).observe(seconds)
            self._spent = dict(spent)

    def observe_look(self, seconds: float) -> None:
        """Take how long a look took."""
        with self.contained():
            self._looks.observe(seconds)

    @contextlib.contextmanager
    def contained(self) -> Iterator[None]:
        """Run a block; an error in it is counted and not raised: trading does not depend on a metric."""
        try:
            yield
        except Exception:  # noqa: BLE001 - whatever it is, it is the metric's
            self._failures.inc()

    def _begin_with_zero(self) -> None:
        labels: Iterable[tuple[Counter, Iterable[tuple[str, ...]]]] = (
            (self._decisions, ((name,) for name in (*map(str, Action), SKIPPED))),
            (self._refused_pairs, ((kind,) for kind in KINDS)),
            (self._refused_entries, ((kind,) for kind in KINDS)),
            (self._requests, ((method, outcome) for method in _METHODS for outcome in OUTCOMES)),
            (self._alerts, ((severity,) for severity in ("info", "warning", "critical"))),
            (self._deliveries, ((outcome,) for outcome in ("delivered", "failed", "dropped"))),
        )
        for counter, known in labels:
            for names in known:
                counter.labels(*names)
