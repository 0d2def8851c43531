from __future__ import annotations

import doctest
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity import names, printable
from pairity.configuration import load_settings
from pairity.errors import ConfigError, DataError
from pairity.names import NameRule, check_note, show, split_names

RULES = sorted((rule for rule in vars(names).values() if isinstance(rule, NameRule)), key=lambda rule: rule.kind)
EXAMPLES = {
    "alias": ("champion", "shadow"),
    "asset": ("BTC", "1INCH", "A011", "1000SATS"),
    "currency": ("usdt", "USD"),
    "exchange": ("MEXC", "gate_io"),
    "identifier": ("candles_1m", "pair_forest_v1"),
    "instrument": ("BTC-USDT-SWAP",),
    "listed instrument": ("ETH-BTC", "BTC-USDT-SWAP", "BTC-USD-250328"),
    "model": ("pair_forest", "Forest-2.1"),
    "month": ("2025-04",),
    "order id": ("p1a2b3c4", "1834567890123"),
    "pair": ("BTC__ETH", "XRP/ADA"),
    "partition": ("BTC/2025-04", "BTC__ETH/2025-04", "BTC/2025-04/binance_um", "market"),
    "position": ("BTC__ETH@20250318T1700Z",),
    "quarantine id": ("0a1b2c3d4e5f", "0a1"),
    "run": ("0a1b2c3d4e5f60718293a4b5c6d7e8f9", "0a1b"),
    "run name": ("pair_forest tested from 2025-04-01", "leaderboard"),
    "snapshot": ("20260102-0304", "before_the.change"),
    "source": ("tiingo", "ccxt:bybit"),
    "time format": ("%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S"),
    "time zone": ("America/New_York", "UTC", "Etc/GMT+5"),
    "venue": ("okx", "binance_um", "ccxt_bybit"),
    "version": ("1", "12"),
}
HOSTILE = (
    "",
    " ",
    ".",
    "..",
    "../../x",
    "/etc/passwd",
    "a/../../b",
    "..\\..\\x",
    "C:x",
    "con",
    "CON",
    "Aux.txt",
    "nul",
    "COM1",
    "-rf",
    "--help",
    "BTC\n",
    "btc\r\n",
    "\nBTC",
    "BTC\x00",
    "BTC\x1b[31m",
    "x' OR '1'='1",
    "x'; DROP TABLE runs; --",
    'x" onmouseover="alert(1)',
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "%2e%2e%2f",
    "${HOME}",
    "$(id)",
    "`id`",
    "*",
    "?",
    "~",
    "~root",
    "file:///etc/passwd",
    "BTC ",
    "BТC",
    "ß",
    "１２",
    "٣",
    "BTC\u202eSWAP",
    "BTC\u200b",
    "\ud800",
    "A" * 10_000,
)


def test_examples_are_true():
    assert doctest.testmod(names).failed == 0
    assert doctest.testmod(printable).failed == 0


def test_every_rule_has_examples():
    assert sorted(EXAMPLES) == sorted({rule.kind for rule in RULES})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_names_in_use_are_accepted_and_hostile_ones_refused(rule):
    for name in EXAMPLES[rule.kind]:
        assert rule.check(name) == name
    for name in HOSTILE:
        with pytest.raises(ConfigError) as refused:
            rule.check(name, "--option")
        assert str(refused.value).isascii() or rule.words in str(refused.value)
        assert refused.value.what.startswith("--option: ")
        assert refused.value.what.isprintable()
        assert len(refused.value.what) < 200


PLAIN = set(string.ascii_letters + string.digits + "_-./: ")


@given(st.sampled_from(RULES), st.text(max_size=70) | st.text(alphabet="ABCxyz019_-./:\n' =", max_size=12))
def test_what_is_accepted_is_plain(rule, name):
    """Whatever passes a rule can stand in a path component, in quotes, in an attribute and in an address."""
    if not rule.accepts(name):
        return
    assert set(name) <= PLAIN
    assert name[0] in string.ascii_letters + string.digits
    assert " " not in name or rule.kind == "run name"
    for part in name.split("/"):
        assert part not in ("", ".", "..")
    if rule.kind not in ("pair", "partition"):
        assert "/" not in name
    if rule.kind != "source":
        assert ":" not in name


@given(st.text(max_size=200))
def test_what_is_shown_of_a_wrong_name_is_one_printable_line_of_bounded_length(name):
    assert show(name).isprintable()
    assert show(name).isascii() or "…" in show(name)
    assert len(show(name)) < 90


@given(st.text(max_size=60))
def test_printable_text_steers_no_terminal_and_is_left_alone_where_it_is_plain(text):
    said = printable.printable(text)
    assert said.replace("\n", "").isprintable()
    assert printable.printable_line(text).isprintable()
    assert printable.printable(said) == said
    if text.isprintable():
        assert said == text


@pytest.mark.parametrize(
    "text",
    ["\x1b]0;title\x07", "\x9b31m", "a\rb", "\x08\x08", "abc\u202edef", "\u2066x\u2069", "\u200bx", "\u2028", "\ud800"],
)
def test_sequences_that_steer_a_terminal_are_written_out(text):
    said = printable.printable(text)
    assert said.isprintable()
    assert "\\" in said


def test_lists_of_names_are_checked_one_by_one():
    assert split_names(" okx, binance_um ,", names.VENUE, "--venues") == ("okx", "binance_um")
    with pytest.raises(ConfigError, match="--venues: ' , ' names nothing"):
        split_names(" , ", names.VENUE, "--venues")
    with pytest.raises(ConfigError, match=r"--venues: '\.\./x' is no name of a venue"):
        split_names("okx,../x", names.VENUE, "--venues")


def test_the_error_is_of_the_kind_that_the_place_needs():
    with pytest.raises(DataError, match=r"lake: '\.\./x' is no name of a venue"):
        names.VENUE.check("../x", "lake", DataError)


@pytest.mark.parametrize("note", ["", "  ", "a\nb", "\x1b[2J", "x" * 501, "a\u202eb"])
def test_reasons_that_cannot_be_shown_for_ever_are_refused(note):
    with pytest.raises(ConfigError, match=r"--reason: .* is no reason that can be recorded"):
        check_note(note, "--reason")


def test_reasons_keep_their_words():
    assert check_note(" the venue's “outage” of <12:00> ", "--reason") == "the venue's “outage” of <12:00>"


NAME_SETTINGS = (
    ("universe", "assets", lambda name: [name, "ETH"]),
    ("ingest", "datasets", lambda name: [name]),
    ("sources", "tiingo_exchange", str),
    ("sources", "tiingo_quote", str),
    ("features", "venue", str),
    ("model", "name", str),
    ("model", "feature_service", str),
    ("serve", "model_alias", str),
)


def name_part(part):
    return "as" if callable(part) else part


@pytest.mark.parametrize(("section", "setting", "wrap"), NAME_SETTINGS, ids=name_part)
@pytest.mark.parametrize("name", HOSTILE)
def test_settings_that_are_names_refuse_hostile_ones(section, setting, wrap, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if (section, setting, name) == ("universe", "assets", "BTC "):
        pytest.skip("blanks around an asset are a spelling of it")
    with pytest.raises(ConfigError) as refused:
        load_settings(**{section: {setting: wrap(name)}})
    assert f"{section}.{setting}" in refused.value.what
    assert refused.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_assets_are_capital_letters_whatever_was_written_and_distinct_then(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings(universe={"assets": ["btc", "Eth"]}).universe.assets == ("BTC", "ETH")
    with pytest.raises(ConfigError, match="listed twice"):
        load_settings(universe={"assets": ["btc", "BTC"]})
