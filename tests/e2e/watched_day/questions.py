"""Each question of a trader, answered from the screen alone and compared with the truth.

A question raises AssertionError where the answer is another one. The day goes on meanwhile, so each is asked again for
some seconds: an answer that stays wrong is wrong.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from pairity.trading_settings import LimitSettings
from tests.e2e.watched_day import screen
from tests.e2e.watched_day.script import START
from tests.e2e.watched_day.truth import Truth, is_among
from tests.serving.dashboard.browsing import Look

Question = Callable[[Look, Truth], None]
CENT, PATIENCE_S = Decimal("0.011"), 30.0
INSTRUMENT = "{}-USDT-SWAP"


def ask_all(look: Look, truth: Truth) -> None:
    """Ask every question until it is answered rightly; the last failure says what was read."""
    for question in QUESTIONS:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                question(look, truth)
                break
            except (AssertionError, KeyError, IndexError, ValueError) as error:
                if time.monotonic() > end:
                    raise AssertionError(f"{question.__name__}: {error!r}") from error
                time.sleep(0.1)


def where_is_this(look: Look, truth: Truth) -> None:
    mode = look.text(".mode")
    assert "PAPER" in mode
    assert "synthetic" in mode
    assert truth.client.urls["api"]["rest"].removeprefix("http://") in mode


def is_it_well(look: Look, truth: Truth) -> None:
    state = truth.ask("SELECT state FROM states ORDER BY seq DESC LIMIT 1")
    trading = state[0]["state"] if state else "trading"
    word = screen.read_bar(look)["State"][0]
    assert word in {"trading": ("✓ waiting", "✓ deciding")}.get(trading, (f"! {trading}", f"✕ {trading}")), word
    assert screen.read_bar(look)["Venue"][0] == "✓ reachable"
    waiting = "SELECT count(*) AS n FROM events WHERE acknowledged_at IS NULL AND severity <> 'info'"
    count = truth.ask(waiting)[0]["n"]
    found = re.search(r"(\d+) events? waits? for acknowledgement", look.text("#verdict"))
    assert (int(found[1]) if found else 0) == count


def when_was_it_decided_and_when_next(look: Look, truth: Truth) -> None:
    decision, _ = truth.last_decision()
    bar, hour = screen.read_bar(look), screen.clock_of(look)
    closed = decision["event_timestamp"]
    age_s = screen.seconds(bar["Data"][0])
    shown = START + timedelta(hours=hour, seconds=-age_s)
    assert abs((shown.hour + shown.minute / 60) - int(closed[11:13])) < 2 / 60, (bar["Data"], closed)
    ahead = hour + screen.seconds(bar["Next decision"][0]) / 3600
    assert abs(ahead - (int(closed[11:13]) + 1)) < 3 / 60, (bar["Next decision"], hour)


def what_decides(look: Look, truth: Truth) -> None:
    run = truth.ask("SELECT model_name, model_version FROM runs ORDER BY started_at DESC LIMIT 1")[0]
    model = screen.read_bar(look)["Model"]
    assert model[0] == f"✕ v{run['model_version']}"  # of always_revert: its gate refused it, and it trades play money
    assert model[1] == "gate failed"
    assert f"{run['model_name']} v{run['model_version']}" in look.text("#model .body")


def what_is_it_worth(look: Look, truth: Truth) -> None:
    bar, seen = screen.read_bar(look), truth.recent()
    equity, today = screen.number(bar["Equity USDT"][0]), screen.number(bar["Today USDT"][0])
    _, content = truth.last_decision()
    # It is measured before a decision is carried out, and says when: orders of that decision cost a few USDT since.
    slack = Decimal(8) if content["entries"] or content["exits"] else CENT
    assert is_among(equity, [sample.equity for sample in seen], slack), (equity, seen[-1:])
    first = Decimal(truth.ask("SELECT equity_usdt FROM equity_marks ORDER BY at LIMIT 1")[0][0])
    assert abs(today - (equity - first)) <= CENT, (today, equity, first)
    assert abs(screen.number(bar["Today USDT"][1]) - 100 * today / first) <= CENT
    open_result = screen.number(bar["Open result"][0])
    assert is_among(open_result, [sample.results for sample in seen], CENT), (open_result, seen[-1:])
    if truth.positions():
        assert re.match(r"[−+]?[\d,]+\.\d\d USDT · ", look.page.title()), look.page.title()


def what_is_held_and_is_it_protected(look: Look, truth: Truth) -> None:
    held, stops = truth.positions(), truth.stops()
    cards = screen.read_cards(look)
    legs = [row for card in cards for row in card["legs"]]
    assert len(legs) == len(held)
    positions = truth.ask("SELECT 1 FROM positions WHERE closed_at IS NULL")
    said = f"Holds {len(positions)} position" if positions else "Holds nothing."
    assert said in look.text("#verdict")
    for row in legs:
        side, asset = row[0].split()
        there, stop = held[INSTRUMENT.format(asset)], stops[INSTRUMENT.format(asset)]
        assert side == ("long" if Decimal(there["pos"]) > 0 else "short")
        assert row[1].startswith("✓ confirmed")
        assert screen.number(row[3]) == Decimal(there["avgPx"])
        assert (screen.number(row[5]), screen.number(row[6])) == (
            Decimal(stop["slTriggerPx"]),
            Decimal(stop["tpTriggerPx"]),
        )
        assert screen.number(row[7]) == abs(Decimal(there["pos"]))
    if legs:
        assert "confirmed on the venue" in look.text("#verdict")


def what_does_each_position_earn(look: Look, truth: Truth) -> None:
    seen = truth.recent()
    for card in screen.read_cards(look):
        price = Decimal(0)
        for row in card["legs"]:
            side, asset = row[0].split()
            name, mark, entry = INSTRUMENT.format(asset), screen.number(row[4]), screen.number(row[3])
            assert is_among(mark, [sample.marks[name] for sample in seen if name in sample.marks], Decimal(0))
            coins = screen.number(row[7]) * truth.contract_values[name]
            assert f"{side} {asset}" in card["title"]
            assert screen.number(card["title"].split(asset, 1)[1]) == coins
            result = (mark - entry) * coins * (1 if side == "long" else -1)
            assert abs(screen.number(row[2]) - result) <= CENT
            price += result
        parts = [screen.number(part) for part in re.findall(r"(?:price|fees|funding) ([−+]?[\d,.]+)", card["split"])]
        assert abs(parts[0] - price) <= 2 * CENT
        assert abs(screen.number(card["total"]) - sum(parts)) <= 3 * CENT


def why_did_it_not_trade(look: Look, truth: Truth) -> None:
    decision, content = truth.last_decision()
    assert f"Last decision: {decision['action']}. {_readable(decision['reason'])}" in look.text("#verdict")
    opened = {tuple(entry["pair"].values()) for entry in content["entries"]}
    wanted = {}
    for score in content["scores"]:
        pair = (score["pair"]["base"], score["pair"]["quote"])
        reason = "opened" if pair in opened else score["rejected"] or "not taken"
        wanted[" / ".join(pair)] = [_figure(score["z"], 2), _figure(score["divergence_score"], 3), reason]
    found = {row[0]: [_plain(row[1]), _plain(row[4]), row[5].split(" ", 1)[1]] for row in screen.read_rows(look, "why")}
    assert found == wanted


def _readable(text: str) -> str:
    """A text of the process as the page writes it: pairs by their names, white space as one space."""
    return " ".join(re.sub(r"\b([A-Z0-9]+)__([A-Z0-9]+)\b(?!@)", r"\1 / \2", text).split())


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _plain(text: str) -> str:
    return text.replace("−", "-").replace("+", "").replace(",", "")


def what_became_of_each_pair(look: Look, truth: Truth) -> None:
    _, content = truth.last_decision()
    opened = look.page.locator("#heat td button.opened").count()
    assert opened == 2 * len(content["entries"])
    assert look.page.locator("#heat td button").count() == 2 * len(content["scores"])


def what_was_sent(look: Look, truth: Truth) -> None:
    query = "SELECT * FROM intents ORDER BY created_at DESC, rowid DESC LIMIT 60"
    wanted = sorted(_order_of(row) for row in truth.ask(query))
    assert sorted(" ".join(row[1:4]) for row in screen.read_rows(look, "orders")) == wanted


def _order_of(row) -> str:
    attempt = f" #{row['attempt']}" if row["attempt"] > 1 else ""
    sign = {"filled": "✓", "unknown": "✕", "rejected": "✕", "sent": "!"}.get(row["state"], "·")
    asset = row["instrument"].removesuffix("-USDT-SWAP")
    filled = f"{Decimal(row['filled_contracts']):f} / {Decimal(row['contracts']):f}"
    return f"▸ {row['side']} {asset} {row['purpose']}{attempt} {sign} {row['state']} {filled}"


def what_was_won_and_lost(look: Look, truth: Truth) -> None:
    query = "SELECT * FROM positions WHERE closed_at IS NOT NULL ORDER BY closed_at DESC"
    booked = truth.ask(query)
    rows = screen.read_rows(look, "trades")
    assert len(rows) == len(booked)
    for row, there in zip(rows, booked, strict=True):
        parts = [Decimal(there[name]) for name in ("pnl_usdt", "fees_usdt", "funding_usdt")]
        assert abs(screen.number(row[2]) - sum(parts)) <= CENT
        for shown, part in zip(row[3:6], parts, strict=True):
            assert abs(screen.number(shown) - part) <= CENT
        assert row[7] == there["exit_reason"]
        assert row[0].endswith(there["closed_at"][11:16])


def what_can_go_wrong(look: Look, truth: Truth) -> None:
    facts, seen = screen.read_facts(look, "risk"), truth.recent()
    assert is_among(screen.number(facts["gross exposure"]), [sample.notional for sample in seen], Decimal(1))
    assert abs(screen.number(facts["fees so far"]) - truth.fees()) <= CENT
    rows = {row[0].split("\n")[0]: row for row in screen.read_rows(look, "risk")}
    limits = LimitSettings()
    assert screen.number(rows["drawdown"][3]) == Decimal(str(100 * limits.drawdown))
    assert screen.number(rows["day loss"][3]) == Decimal(str(100 * limits.day_loss))
    assert screen.number(rows["gross leverage"][3]) == Decimal(str(limits.gross_leverage))


def what_happened(look: Look, truth: Truth) -> None:
    rows = truth.ask("SELECT text FROM events ORDER BY event_id DESC LIMIT 100")
    wanted = [_readable(row["text"]) for row in rows]
    shown = screen.read_events(look)
    assert shown == wanted, [pair for pair in zip(shown, wanted, strict=False) if pair[0] != pair[1]][:2]


def how_did_equity_go(look: Look, truth: Truth) -> None:
    marks = [Decimal(row[0]) for row in truth.ask("SELECT equity_usdt FROM equity_marks ORDER BY at")]
    said = look.text("#equity header")
    label = look.page.locator("#equity .chart").get_attribute("aria-label")
    shown = screen.number(said.split("change", 1)[1])
    assert is_among(shown, [mark - marks[0] for mark in marks[-3:]], CENT), (shown, marks[-1] - marks[0])
    markers = "SELECT (SELECT count(*) FROM positions) + (SELECT count(*) FROM positions WHERE closed_at IS NOT NULL) "
    count = truth.ask(markers + "+ (SELECT count(*) FROM runs) AS n")[0]["n"]
    assert label.endswith(f", {count} marks"), (label, count)


def can_it_be_trusted(look: Look, truth: Truth) -> None:
    text = look.text("#trust .body")
    assert re.search(r"Reconciliation\s+0 differences", text), text


QUESTIONS: tuple[Question, ...] = (
    where_is_this,
    is_it_well,
    when_was_it_decided_and_when_next,
    what_decides,
    what_is_it_worth,
    what_is_held_and_is_it_protected,
    what_does_each_position_earn,
    why_did_it_not_trade,
    what_became_of_each_pair,
    what_was_sent,
    what_was_won_and_lost,
    what_can_go_wrong,
    what_happened,
    how_did_equity_go,
    can_it_be_trusted,
)
