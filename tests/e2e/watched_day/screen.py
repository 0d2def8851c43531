"""Answers of the page as a person reads them off the screen: nothing here asks anything but the rendered page."""

from __future__ import annotations

import re
from decimal import Decimal

from tests.serving.dashboard.browsing import Look

_CELLS = """() => Object.fromEntries([...document.querySelectorAll('#bar dl > div')].map(cell =>
    [cell.querySelector('dt').innerText, cell.querySelector('dd').innerText.split('\\n')]))"""
_ROWS = "wanted => [...document.querySelectorAll(wanted)].map(row => [...row.cells].map(cell => cell.innerText.trim()))"
_CARDS = """() => [...document.querySelectorAll('#positions article')].map(card => ({
    title: card.querySelector('h3').innerText, total: card.querySelector('.total').innerText,
    split: card.querySelector('.split').innerText, foot: card.querySelector('.foot').innerText,
    legs: [...card.querySelectorAll('.legs tbody tr')].map(
        row => [...row.cells].map(cell => cell.innerText.trim()))}))"""
_SPAN = {"d": 86400, "h": 3600, "min": 60, "s": 1}


def read_bar(look: Look) -> dict[str, list[str]]:
    """Each cell of the bar by its heading: the lines under it."""
    return look.page.evaluate(_CELLS)


def read_rows(look: Look, panel: str) -> list[list[str]]:
    """The cells of every row of a panel's table."""
    return look.page.evaluate(_ROWS, f"#{panel} tbody tr")


def read_cards(look: Look) -> list[dict]:
    """Every open position as its card says it."""
    return look.page.evaluate(_CARDS)


def read_facts(look: Look, panel: str) -> dict[str, str]:
    """Terms and values of a panel."""
    script = """wanted => Object.fromEntries([...document.querySelectorAll(wanted)].map(item =>
        [item.querySelector('dt').innerText, item.querySelector('dd').innerText]))"""
    return look.page.evaluate(script, f"#{panel} .facts > div")


def read_events(look: Look) -> list[str]:
    """The texts of the events, newest first."""
    return look.page.evaluate("[...document.querySelectorAll('#events .event p')].map(item => item.innerText)")


def number(text: str) -> Decimal:
    """The first figure of a text, with the minus that the page writes."""
    found = re.search(r"[−+-]?[\d,]*\.?\d+", text)
    assert found, text
    return Decimal(found[0].replace("−", "-").replace(",", ""))


def seconds(text: str) -> int:
    """A span of time in words, as seconds."""
    found = re.findall(r"(\d+) (d|h|min|s)\b", text)
    assert found, text
    return sum(int(count) * _SPAN[unit] for count, unit in found)


def clock_of(look: Look) -> float:
    """The hour of the day that the bar shows."""
    hours, minutes, rest = read_bar(look)["UTC"][0].split(":")
    return int(hours) + int(minutes) / 60 + int(rest) / 3600
