"""Spellings of assets: however a person, a file or a venue writes one, it is one asset with one name."""

from __future__ import annotations

import re

_QUOTE = r"(?:[-_/:]?USDT)(?:[-_:]?(?:SWAP|PERP|USDT))?"
_SYMBOL = re.compile(rf"(?P<base>.+?){_QUOTE}", re.IGNORECASE | re.DOTALL)
_OTHER_CODES = {"XBT": "BTC", "XDG": "DOGE"}
"""Codes of a coin that some exchanges use, and the one that OKX and most others do."""
SYMBOL_QUOTE = _QUOTE
"""Pattern of what follows the coin in a symbol against USDT."""


def spell_asset(written: str) -> str:
    """Return the name of an asset: in capitals, without its quote currency, under its usual code.

    What is no spelling of an asset comes back as it is, for the rule of assets to refuse. Only ASCII is raised: the
    capitals of other letters can be more than one letter, or a Latin one.

    >>> [spell_asset(text) for text in ("btc", "BTC-USDT-SWAP", "BTC/USDT:USDT", "btcusdt", "XBT", " eth ")]
    ['BTC', 'BTC', 'BTC', 'BTC', 'BTC', 'ETH']
    >>> spell_asset("USDT"), spell_asset("../x")
    ('USDT', '../X')
    """
    if not written.isascii():
        return written
    name = written.strip(" ").upper()
    while (symbol := _SYMBOL.fullmatch(name)) is not None:
        name = symbol["base"]
    return usual_code(name)


def usual_code(name: str) -> str:
    """Return the code that most exchanges use for a coin: BTC for XBT."""
    return _OTHER_CODES.get(name, name)
