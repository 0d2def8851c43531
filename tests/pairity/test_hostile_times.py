"""Whatever text stands where a time, a clock or a data directory is meant: it is one, or a refusal in words."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pairity.configuration import load_settings
from pairity.errors import ConfigError, TimeRangeError
from pairity.schedule import parse_time_of_day
from pairity.timeline import months_between, parse_instant
from pairity_cli.main import main
from paper_exchange.clock import parse_clock

NOW = datetime(2026, 11, 26, tzinfo=UTC)
TEXT = st.text(max_size=30) | st.text(alphabet="0123456789-:+TZWhdnowx. \n٣", max_size=24)


@given(TEXT)
def test_a_time_is_near_enough_for_every_sum_or_refused(text):
    try:
        instant = parse_instant(text, now=NOW, name="--since")
    except TimeRangeError:
        return
    assert instant.utcoffset() == timedelta(0)
    assert 1900 <= instant.year < 2200
    next(iter(months_between(instant - timedelta(days=400), instant + timedelta(days=400))))


@pytest.mark.parametrize(
    "text",
    [
        *("30d\n", "٣٠d", "9" * 5000 + "d", "999999d", "-1d", "1e5d", "\x1b[2J", "x" * 100_000),
        *("0001-01-01", "9999-12-31", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"),
    ],
)
def test_hostile_times_are_refused_in_few_words(text):
    with pytest.raises(TimeRangeError) as refused:
        parse_instant(text, now=NOW, name="--since")
    assert refused.value.what.isprintable()
    assert len(refused.value.what) < 120


@pytest.mark.parametrize("text", ["x60\n", "x1e9", "x" + "9" * 400, "x٣", "x0", "x-1", "xnan", "real\n"])
def test_clocks_that_are_none(text):
    with pytest.raises(ConfigError, match="does not exist"):
        parse_clock(text)


@pytest.mark.parametrize("amount", ["1e1000000", "9" * 5000, "-1", "nan", "inf", "1e-1000000", "x", ""])
def test_an_amount_that_is_none_is_refused_at_once(amount):
    done = CliRunner().invoke(main, ["paper-exchange", f"--balance={amount}", "--clock=none"])
    assert done.exit_code == 2
    assert "is not an amount" in done.output


@given(TEXT)
def test_a_clock_is_one_or_refused(text):
    try:
        parse_clock(text)
    except ConfigError as refused:
        assert refused.exit_code == 2  # noqa: PT017 - which of both happens is what the text decides


@given(TEXT)
def test_a_time_of_day_is_one_or_refused(text):
    try:
        parse_time_of_day(text)
    except (ValueError, ConfigError):
        return
    assert len(text) == 5
    assert set(text) <= set(string.digits + ":")


@pytest.mark.parametrize("path", ["a?mode=memory", "a#b", "a%2fb", "a*", "a[b]", "a\nb", "a\x1b[2J", "a\x00b"])
def test_a_data_directory_means_itself_in_every_address(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="setting home"):
        load_settings(home=path)
    assert list(tmp_path.iterdir()) == []
