"""The account as it is shown: to the cent, every digit of a price, and everything that has one."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from pairity_cli.commands.account import show_account
from serving.account import AccountView, view_account
from serving.execution.okx import OkxVenue
from tests.serving.tiny_client import TinyClient
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, desk_on, opened


@pytest.fixture
def tiny(tmp_path: Path) -> TinyOkx:
    """An exchange with a short position of ours, and a trade by hand in another instrument, half closed again."""
    made = TinyOkx()
    desk = desk_on(made, tmp_path / "journal.db")
    asyncio.run(opened(desk))
    desk.journal.close()
    made.now_ms += 60_000
    made.trade_by_hand("SOL-USDT-SWAP", "buy", Decimal(12))
    made.move("SOL-USDT-SWAP", Decimal("101.5"))
    made.trade_by_hand("SOL-USDT-SWAP", "sell", Decimal(6))
    return made


def look(tiny: TinyOkx) -> AccountView:
    return asyncio.run(view_account(OkxVenue(TinyClient(tiny), retries=1)))


@pytest.fixture(autouse=True)
def no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is one line where nothing says how wide a line is."""
    monkeypatch.delenv("COLUMNS", raising=False)


def show(tiny: TinyOkx, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show_account(look(tiny), "demo")
    return capsys.readouterr().out.splitlines()


def row_of(lines: list[str], *words: str) -> str:
    [found] = [line for line in lines if all(word in line for word in words)]
    return found


def test_money_is_in_cents_and_mode_account_and_rights_are_named(tiny, capsys):
    lines = show(tiny, capsys)
    assert any(line.split() == ["USDT", *[f"{tiny.cash:,.2f}"] * 2] for line in lines)
    assert lines[0].startswith("demo account 1 at 2025-03-18 17:0")
    assert "net_mode, may read_only,trade" in lines[0]


def test_positions_have_a_side_a_mark_and_their_result(tiny, capsys):
    lines = show(tiny, capsys)
    start = lines.index(next(line for line in lines if "unrealised P&L" in line))
    shown = [line.split() for line in lines[start + 2 : start + 4]]
    assert shown == [
        [BTC, "short", "1.25", "0.00", "80,000", "80,000", "cross"],
        ["SOL-USDT-SWAP", "long", "6", "0.00", "100", "101.5", "cross"],
    ]


def test_orders_and_fills_have_times_status_prices_and_fees(tiny, capsys):
    lines = show(tiny, capsys)
    assert row_of(lines, "SOL-USDT-SWAP", "buy", "filled").split()[-4:] == ["filled", "12", "12", "100"]
    fill = row_of(lines, "SOL-USDT-SWAP", "sell", "  USDT  ")
    assert fill.split() == ["2025-03-18", "17:01:31", "SOL-USDT-SWAP", "sell", "6", "101.5", "-0.30", "USDT", "9.00"]
    assert "0 open orders; 3 fills in the last 7 days" in lines[-1]


def test_no_number_has_an_exponent(tiny, capsys):
    tiny.prices[BTC] = Decimal("1E+5")
    tiny.prices["SOL-USDT-SWAP"] = Decimal("0.00000012")
    text = "\n".join(show(tiny, capsys))
    assert "E+" not in text
    assert "E-" not in text
    assert "0.00000012" in text


def test_other_currencies_are_shown_with_their_own_digits(tiny, capsys, monkeypatch):
    row = {"ccy": "BTC", "eq": "0.012345", "availEq": "0.01", "availBal": "0.01", "mgnRatio": ""}
    balance = tiny.answer("privateGetAccountBalance", {})["data"]
    balance[0]["details"].append(row)
    monkeypatch.setattr(tiny, "_privateGetAccountBalance", lambda _: balance)
    assert row_of(show(tiny, capsys), "BTC ", "0.012345").split() == ["BTC", "0.012345", "0.01"]
