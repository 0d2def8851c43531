"""Instruments, pairs and contract specifications.

The canonical id of an instrument is the OKX `instId` (`BTC-USDT-SWAP`); its short name is the base coin (`BTC`). A
pair is unordered; its id `BASE__QUOTE` follows the order of the universe. Sizes on the wire are *contracts* of
`ct_val` base units; every size here says which of the two it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from itertools import combinations

from pairity.asset_spelling import spell_asset
from pairity.errors import ConfigError, UnknownNameError
from pairity.names import ASSET, show

DEFAULT_UNIVERSE = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "AVAX", "LINK", "DOT")
_SUFFIX = "-USDT-SWAP"
_PAIR_SEPARATOR = "__"


def inst_id(short: str) -> str:
    """Return the canonical OKX id of the USDT-margined perpetual swap on `short`.

    >>> inst_id("BTC")
    'BTC-USDT-SWAP'
    """
    return short if short.endswith(_SUFFIX) else f"{short}{_SUFFIX}"


def short_name(instrument: str) -> str:
    """Return the base coin of a canonical id.

    >>> short_name("BTC-USDT-SWAP")
    'BTC'
    """
    return instrument.removesuffix(_SUFFIX)


def ccxt_symbol(instrument: str) -> str:
    """Return the unified ccxt symbol of a canonical id.

    >>> ccxt_symbol("BTC-USDT-SWAP")
    'BTC/USDT:USDT'
    """
    return f"{short_name(instrument)}/USDT:USDT"


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two assets of the universe: `base` (a) is traded against `quote` (b); spread = close_a / close_b."""

    base: str
    quote: str

    @property
    def pair_id(self) -> str:
        """`BASE__QUOTE`."""
        return f"{self.base}{_PAIR_SEPARATOR}{self.quote}"

    @property
    def assets(self) -> tuple[str, str]:
        """Both short names, base first."""
        return self.base, self.quote

    @classmethod
    def from_id(cls, pair_id: str) -> Pair:
        """Return the pair of a `BASE__QUOTE` id; ConfigError if it is not one."""
        base, _, quote = pair_id.partition(_PAIR_SEPARATOR)
        if not (ASSET.accepts(base) and ASSET.accepts(quote)):
            raise ConfigError(f"{show(pair_id)} is not a pair id", "write it as BASE__QUOTE, for example BTC__ETH")
        return cls(base, quote)


def pairs_of(universe: Sequence[str]) -> tuple[Pair, ...]:
    """Return all N(N−1)/2 unordered pairs, in universe order.

    >>> [p.pair_id for p in pairs_of(["BTC", "ETH", "SOL"])]
    ['BTC__ETH', 'BTC__SOL', 'ETH__SOL']
    """
    return tuple(Pair(a, b) for a, b in combinations(universe, 2))


def select_instruments(names: Sequence[str], universe: Sequence[str]) -> tuple[str, ...]:
    """Return the short names of `names`, however they are spelt, each once and in universe order.

    ConfigError for what is no name of an asset and where nothing is named, UnknownNameError for an asset that is not in
    the universe.
    """
    written = [name.strip(" ") for name in names if name.strip(" ")]
    if not written:
        raise ConfigError("no instrument is named", f"choose from: {', '.join(universe)}")
    wanted = {ASSET.check(spell_asset(name)) for name in written}
    for name in sorted(wanted - set(universe)):
        raise UnknownNameError("instrument", name, universe)
    return tuple(name for name in universe if name in wanted)


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """Specification of one contract: sizes are contracts, one contract is `ct_val` base units.

    `lot_sz` and `min_sz` are in contracts, `tick_sz` in quote units. `max_market_sz` and `max_stop_sz` are the
    most that one market order and one stop may have, None where the venue does not say.
    """

    instrument: str
    ct_val: Decimal
    lot_sz: Decimal
    min_sz: Decimal
    tick_sz: Decimal
    max_leverage: Decimal
    max_market_sz: Decimal | None = None
    max_stop_sz: Decimal | None = None

    @property
    def max_entry_sz(self) -> Decimal | None:
        """Contracts that one market order with a stop attached may have; None where the venue names no limit."""
        return min((size for size in (self.max_market_sz, self.max_stop_sz) if size is not None), default=None)

    def contracts_for(self, notional_usdt: Decimal, price: Decimal) -> Decimal:
        """Return contracts in whole lots worth at most `notional_usdt`; 0 where they are fewer than `min_sz`."""
        if notional_usdt <= 0 or price <= 0:
            return Decimal(0)
        raw = notional_usdt / (price * self.ct_val)
        if self.max_entry_sz is not None:
            raw = min(raw, self.max_entry_sz)
        lots = (raw / self.lot_sz).to_integral_value(rounding=ROUND_DOWN) * self.lot_sz
        return lots if lots >= self.min_sz else Decimal(0)

    def notional(self, contracts: Decimal, price: Decimal) -> Decimal:
        """Return the value of `contracts` at `price`, in quote units."""
        return contracts * self.ct_val * price

    def round_price(self, price: Decimal) -> Decimal:
        """Return the nearest multiple of the tick, half up, never below one tick."""
        ticks = (price / self.tick_sz).to_integral_value(rounding=ROUND_HALF_UP)
        return max(ticks, Decimal(1)) * self.tick_sz


def exact(value: float) -> Decimal:
    """Return the Decimal of the shortest text that reads back as the same float, as it would stand on the wire."""
    return Decimal(repr(value))
