"""The exchange's own time: accelerated, real, stepped, and modes that do not exist."""

import time

import pytest

from pairity.errors import ConfigError
from paper_exchange.clock import VirtualClock, parse_clock


def test_clocks():
    now = [0]
    fast = VirtualClock("x60", 1_000, tick_ns=lambda: now[0])
    now[0] = 500_000_000
    assert fast.now_ms() == 31_000
    now[0] = 100_000_000
    assert fast.now_ms() == 31_000
    started = VirtualClock("real", 1_000, tick_ns=lambda: now[0])
    now[0] += 2_000_000
    assert started.now_ms() == 1_002
    assert abs(VirtualClock("real").now_ms() - time.time() * 1000) < 60_000
    with pytest.raises(ConfigError, match="moves by itself"):
        fast.advance_to(50_000)
    with pytest.raises(ConfigError, match="--start"):
        VirtualClock("stepped")
    for wrong in ("x0", "fast", "60", "x-1"):
        with pytest.raises(ConfigError, match="choose real"):
            parse_clock(wrong)
