"""Families of books: what they believe, how often they decide and how much drift they allow.

Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

from pairity.books.combination import Rule, share_books
from pairity.books.continuation import PairNames, hold_pairs
from pairity.books.features import MIN_FUNDING_SHARE, TREND_DAYS, NameFeatures, choose_universe
from pairity.books.members import MemberState, PairSides
from pairity.books.netting import PairStake, net_pairs
from pairity.books.outcomes import Outlook, Stay, hold_outlooks
from pairity.books.ranks import MIN_NAMES, average_ranks, rank_names
from pairity.books.weights import build_book, net_books

_DAY = 24
MEMBERS = (
    "trend_book",
    "carry_book",
    "pair_continuation",
    "book_ranker",
    "book_ranker_ridge",
    "pair_outcome_forest",
    "pair_outcome_boosting",
)
"""Books that are combined: all that are no combination themselves."""


@dataclass(frozen=True, slots=True)
class BookMarket:
    """Everything that a book sees at one close, and the sides of the pairs that it holds."""

    features: Mapping[str, NameFeatures]
    z_scores: Mapping[PairNames, float]
    """Of ln(P_first/P_second) over 720 h; empty for families that need none."""
    held_pairs: PairSides
    scores: Mapping[str, float] = field(default_factory=dict)
    """What a ranker forecasts of each name; empty for families without one."""
    smoothed: Mapping[tuple[int, str], float] = field(default_factory=dict)
    """Forecasts behind `scores` by days of horizon and name, as the next decision goes on from them."""
    outlooks: Mapping[PairNames, Outlook | None] = field(default_factory=dict)
    """What is worth holding of each pair of the universe; empty for families without forecasts of outcomes."""
    hours_left: Mapping[PairNames, int] = field(default_factory=dict)
    """Hours for which each held pair was to be held, as of the decision before; empty where pairs have no end."""
    elapsed: int = 24
    """Hours since the decision before."""
    books: Mapping[str, Target] = field(default_factory=dict)
    """Newest targets of the books that are combined, of those that have begun; empty for other families."""
    past: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Their daily returns since they began, up to the close."""
    members: Mapping[str, MemberState] = field(default_factory=dict)
    """What each book that is combined leaves to the next decision; empty for other families, and in studies."""


@dataclass(frozen=True, slots=True)
class Target:
    """Target weights (signed fractions of equity), the scores behind them, and the pairs to hold from now on."""

    weights: Mapping[str, float]
    scores: Mapping[str, float]
    universe: tuple[str, ...]
    pairs: PairSides
    hours_left: Mapping[PairNames, int] = field(default_factory=dict)
    """For how many hours each pair is to be held; empty where pairs have no end."""
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of combined books: book → the weights that it adds."""
    is_blind: bool = False
    """Whether too few names were known to choose a universe: no reason to trade, nor to hold nothing."""


class Ranker(StrEnum):
    """What learns the scores of a family."""

    BOOSTING = "boosting"
    RIDGE = "ridge"


class OutcomeModel(StrEnum):
    """What learns the outcomes of pairs."""

    FOREST = "forest"
    BOOSTING = "boosting"


@dataclass(frozen=True, slots=True)
class BookFamily:
    """One family; `decide` returns its targets at a close."""

    name: str
    description: str
    size: int
    """Names of the universe."""
    every_hours: int
    """Hours between decisions, counted from 00:00 UTC."""
    band: float
    decide: Callable[[BookMarket, int], Target]
    needs_pairs: bool = False
    ranker: Ranker | None = None
    """Set for families whose scores are learnt."""
    outcome: OutcomeModel | None = None
    """Set for families that forecast the outcomes of pairs."""
    members: tuple[str, ...] = ()
    """Books that are combined."""
    follows_past: bool = False
    """Whether the shares of its books follow what they earned until then."""
    is_choice: bool = True
    """False: shown beside the others for what it would have done; nothing to choose, register or trade."""

    @property
    def learns(self) -> bool:
        """Whether models of the family are fitted."""
        return self.ranker is not None or self.outcome is not None

    @property
    def books(self) -> tuple[BookFamily, ...]:
        """The books that it combines; itself where it combines none."""
        return tuple(BOOK_FAMILIES[name] for name in self.members) or (self,)

    @property
    def reads_pairs(self) -> bool:
        """Whether rows of pairs of a universe are decided on, besides those of names."""
        return any(one.needs_pairs or one.outcome is not None for one in self.books)

    @property
    def is_rule(self) -> bool:
        """Whether its weights follow from what is known of the market alone: it can be registered, and trade."""
        return self.is_choice and not self.learns and not self.members

    @property
    def is_fitted(self) -> bool:
        """Whether it trades by what a version holds of one moment: what it learnt, or what its books did."""
        return self.is_choice and not self.is_rule


def _trend(market: BookMarket, size: int) -> Target:
    names = choose_universe(market.features, size)
    returns = {
        str(days): {
            name: market.features[name].log_returns[days] for name in names if days in market.features[name].log_returns
        }
        for days in TREND_DAYS
    }
    return _weigh(market, names, average_ranks(returns))


def _carry(market: BookMarket, size: int) -> Target:
    names = choose_universe(market.features, size)
    paid = {
        name: -known.funding_per_hour
        for name in names
        if (known := market.features[name]).funding_per_hour is not None and known.funding_share >= MIN_FUNDING_SHARE
    }
    return _weigh(market, names, rank_names(paid))


def _trend_carry(market: BookMarket, size: int) -> Target:
    trend, carry = _trend(market, size), _carry(market, size)
    scores = {name: (trend.scores.get(name, 0.0) + carry.scores.get(name, 0.0)) / 2 for name in trend.universe}
    weights = net_books({"trend": 0.5, "carry": 0.5}, {"trend": trend.weights, "carry": carry.weights})
    return replace(trend, weights=weights, scores=scores)


def _rank(market: BookMarket, size: int) -> Target:
    names = choose_universe(market.features, size)
    return _weigh(market, names, rank_names({name: market.scores[name] for name in names if name in market.scores}))


def _continuation(market: BookMarket, size: int) -> Target:
    names = choose_universe(market.features, size)
    if not names:
        return _wait(market)
    among = {pair: z for pair, z in market.z_scores.items() if pair[0] in names and pair[1] in names}
    sides = hold_pairs(market.held_pairs, among)
    return Target(weights=_net(market, sides, size), scores={}, universe=tuple(names), pairs=sides)


def _outcome(market: BookMarket, size: int) -> Target:
    names = choose_universe(market.features, size)
    if not names:
        return _wait(market)
    among = {pair: one for pair, one in market.outlooks.items() if pair[0] in names and pair[1] in names}
    held = {pair: Stay(market.held_pairs[pair], left) for pair, left in market.hours_left.items()}
    stays = hold_outlooks(held, among, market.elapsed)
    sides = {pair: stay.side for pair, stay in stays.items()}
    left = {pair: stay.hours_left for pair, stay in stays.items()}
    weights = _net(market, sides, size)
    return Target(weights=weights, scores={}, universe=tuple(names), pairs=sides, hours_left=left)


def _combine(market: BookMarket, _size: int, *, rule: Rule) -> Target:
    if not market.books:
        return Target(weights={}, scores={}, universe=(), pairs={})
    shares = share_books(rule, market.past)
    weights = net_books(shares, {name: book.weights for name, book in market.books.items()})
    universe = tuple(sorted({name for book in market.books.values() for name in book.universe}))
    parts = {one: {name: share * w for name, w in market.books[one].weights.items()} for one, share in shares.items()}
    blind = all(book.is_blind for book in market.books.values())
    return Target(weights=weights, scores={}, universe=universe, pairs={}, parts=parts, is_blind=blind)


def _wait(market: BookMarket) -> Target:
    """Return what a book of pairs wants where no name is known: the pairs that it holds, as they are."""
    left = {pair: max(0, hours - market.elapsed) for pair, hours in market.hours_left.items()}
    return Target(weights={}, scores={}, universe=(), pairs=market.held_pairs, hours_left=left, is_blind=True)


def _net(market: BookMarket, sides: PairSides, size: int) -> dict[str, float]:
    """Return the names of the pairs that are held, each pair with the same gross, legs of the same risk."""
    gross = 2.0 / (size * (size - 1))
    stakes = [
        PairStake(
            base=base,
            quote=quote,
            side=side,
            gross=gross,
            base_volatility=_volatility(market, base),
            quote_volatility=_volatility(market, quote),
        )
        for (base, quote), side in sides.items()
    ]
    return net_pairs(stakes)


def _weigh(market: BookMarket, names: list[str], scores: dict[str, float]) -> Target:
    volatilities = {name: _volatility(market, name) for name in names}
    weights = build_book(scores, volatilities)
    return Target(weights=weights, scores=scores, universe=tuple(names), pairs={}, is_blind=len(names) < MIN_NAMES)


def _volatility(market: BookMarket, name: str) -> float:
    known = market.features[name].volatility
    assert known is not None  # the universe holds names with a volatility alone
    return known


BOOK_FAMILIES: Mapping[str, BookFamily] = {
    family.name: family
    for family in (
        BookFamily(
            name="trend_book",
            description="strength over two to six weeks",
            size=12,
            every_hours=24,
            band=0.02,
            decide=_trend,
        ),
        BookFamily(
            name="carry_book", description="who is paid funding", size=12, every_hours=24, band=0.02, decide=_carry
        ),
        BookFamily(
            name="trend_carry_book",
            description="half strength, half funding",
            size=12,
            every_hours=24,
            band=0.02,
            decide=_trend_carry,
        ),
        BookFamily(
            name="pair_continuation",
            description="pairs that have gone far",
            size=10,
            every_hours=8,
            band=0.01,
            decide=_continuation,
            needs_pairs=True,
        ),
        BookFamily(
            name="book_ranker",
            description="boosting on ranks of many features",
            size=12,
            every_hours=24,
            band=0.04,
            decide=_rank,
            ranker=Ranker.BOOSTING,
        ),
        BookFamily(
            name="book_ranker_ridge",
            description="ridge regression on ranks of many features",
            size=12,
            every_hours=24,
            band=0.04,
            decide=_rank,
            ranker=Ranker.RIDGE,
        ),
        BookFamily(
            name="pair_outcome_forest",
            description="pairs by their outcome after costs, as a forest forecasts it",
            size=10,
            every_hours=_DAY,
            band=0.01,
            decide=_outcome,
            outcome=OutcomeModel.FOREST,
        ),
        BookFamily(
            name="pair_outcome_boosting",
            description="pairs by their outcome after costs, as boosting forecasts it",
            size=10,
            every_hours=_DAY,
            band=0.01,
            decide=_outcome,
            outcome=OutcomeModel.BOOSTING,
        ),
        BookFamily(
            name="combined_equal",
            description="seven books in equal shares",
            size=12,
            every_hours=_DAY,
            band=0.02,
            decide=partial(_combine, rule=Rule.EQUAL),
            members=MEMBERS,
        ),
        BookFamily(
            name="combined_shrunk",
            description="seven books, less of those that move with others",
            size=12,
            every_hours=_DAY,
            band=0.02,
            decide=partial(_combine, rule=Rule.SHRUNK),
            members=MEMBERS,
            follows_past=True,
        ),
        BookFamily(
            name="picked_past",
            description="whichever book was best in the past year: for comparison alone",
            size=12,
            every_hours=_DAY,
            band=0.02,
            decide=partial(_combine, rule=Rule.PICKED),
            members=MEMBERS,
            follows_past=True,
            is_choice=False,
        ),
    )
}
