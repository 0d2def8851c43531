"""The handler that makes metrics of the reports of requests to the venue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from serving.metrics.collected import Metrics
from venue.request_reports import LOGGER


class RequestCounter(logging.Handler):
    """Handler of `pairity.venue`: counts and times every request that is reported."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(logging.INFO)
        self._metrics = metrics

    def emit(self, record: logging.LogRecord) -> None:
        """Count the request of a report."""
        self._metrics.count_request(record.__dict__["request"])


@contextlib.contextmanager
def counting_requests(metrics: Metrics) -> Iterator[None]:
    """Count the requests of this process while the block runs."""
    counter, level = RequestCounter(metrics), LOGGER.level
    LOGGER.addHandler(counter)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.removeHandler(counter)
        LOGGER.setLevel(level)
