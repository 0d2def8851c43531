"""Metrics of the trading process for Prometheus: what was counted, how long steps took, how things stand."""

from serving.metrics.collected import SKIPPED, Metrics
from serving.metrics.readings import Readings
from serving.metrics.request_counter import counting_requests

__all__ = ["SKIPPED", "Metrics", "Readings", "counting_requests"]
