"""Waiting times: those that each user had when it computed its own."""

from __future__ import annotations

import random

import pytest

from pairity.backoff import Backoff


def test_waits_double_up_to_the_cap():
    backoff = Backoff(first_s=0.5, cap_s=60.0)
    assert [backoff.delay_s(attempt) for attempt in range(9)] == [min(0.5 * 2**attempt, 60.0) for attempt in range(9)]
    assert backoff.delay_s(100_000) == 60.0


@pytest.mark.parametrize("rate_limited", [False, True])
def test_jitter_draws_between_half_and_all_of_the_step(rate_limited):
    backoff, same_seed = Backoff(first_s=0.25, cap_s=8.0, jitter=random.Random(0)), random.Random(0)
    for attempt in range(8):
        first_s = max(0.25, 1.0) if rate_limited else 0.25
        expected = min(8.0, first_s * 2.0**attempt) * (0.5 + same_seed.random() / 2.0)
        assert backoff.delay_s(attempt, least_first_s=1.0 if rate_limited else 0.0) == expected


def test_a_cap_below_the_first_wait_is_the_wait():
    assert Backoff(first_s=2.0, cap_s=1.0).delay_s(0) == 1.0
