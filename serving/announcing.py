"""What the trading process says of itself at its start and of each decision: lines for a console and the log."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pairity.margin import MarginMode
from pairity.number_formats import format_count, format_plain
from pairity.strategy.selection import find_threshold
from pairity.timeline import format_instant
from serving.explanation import ReasonLimits
from serving.risk import Mode

if TYPE_CHECKING:
    from pairity.settings import Settings, StrategySettings
    from pairity.strategy.types import Decision, PairAssessment
    from serving.journal import DecisionRecord
    from serving.models.scoring import ModelRef
    from serving.status import Status

_LOUD = "!" * 78


def describe_start(settings: Settings, status: Status, model: ModelRef) -> list[str]:
    """Return the lines of the start: money, universe, model, sizes and limits; real money is between loud ones."""
    strategy, limits, universe = settings.strategy, settings.limits, settings.universe
    count = strategy.max_concurrent_positions
    size = strategy.max_position_usdt
    base = "all that is available" if size == -1 else f"{size:,.2f} USDT"
    capped = "" if limits.position_usdt is None else f", never above {limits.position_usdt:,.2f} USDT"
    margin = "" if strategy.margin_mode is MarginMode.CROSS else f" in {strategy.margin_mode} margin"
    lines = [
        f"mode      {status.mode} trading at {status.market}",
        f"universe  {format_count(len(universe.assets), 'asset')}, {format_count(len(universe.pairs), 'pair')} of "
        f"{settings.features.venue}: " + ", ".join(universe.assets),
        f"bars      {settings.serve.interval_minutes} min; decided {format_plain(settings.serve.grace_s)} s "
        "after each close",
        f"model     {model.name} version {model.version}, trained until "
        f"{format_instant(model.train_end or 'unknown')}, gate: "
        f"{model.gate}, run {model.run_id}",
        f"trades    above a probability of {_describe_threshold(model.threshold, strategy)}",
        f"size      {base}, up to twice as much at a high score{capped}, leverage {strategy.leverage}{margin}, "
        f"legs: {strategy.legs}, {format_count(count, 'position')} at once",
        f"limits    a day's loss of {format_plain(100 * limits.day_loss)}%, a drawdown of "
        f"{format_plain(100 * limits.drawdown)}%, "
        f"{format_plain(limits.gross_leverage)} times the equity, {format_count(limits.orders_per_hour, 'order')} "
        "an hour",
    ]
    return make_loud(lines, status)


def make_loud(lines: list[str], status: Status) -> list[str]:
    """Return the lines of a start, between loud ones where real money is traded."""
    if status.mode == Mode.LIVE:
        return [_LOUD, "REAL MONEY: every order of this process is paid for with it", *lines, _LOUD]
    return lines


def _describe_threshold(own: float | None, strategy: StrategySettings) -> str:
    """Return the threshold that pairs are traded above, whose it is, and which one it overrides."""
    used = format_plain(find_threshold(own, strategy))
    if strategy.probability_min is None:
        return f"{used}, the reference's" if own is None else f"{used}, the model's own threshold"
    overrides = "" if own is None else f"; it overrides the model's own threshold of {format_plain(own)}"
    return f"{used}, strategy.probability_min{overrides}"


def describe_decision(record: DecisionRecord) -> str:
    """Return one line about a decision: the bar, what was decided and why, and the best pair with why not it.

    As `2026-01-01 02:00  hold: position held; best of 45 AVAX__LINK z -1.58, p 0.815, score 1.287, not taken: …`.
    """
    decision = record.decision
    said = f"{record.event_timestamp:%Y-%m-%d %H:%M}  {decision.action}: {decision.reason}"
    for exit_ in decision.exits:
        said += f"; closes {exit_.position_id}: {exit_.reason}"
    return f"{said}; {_describe_best(decision)}"


def _describe_best(decision: Decision) -> str:
    """Return the pair with the highest score and why it was not taken; where none has a score, why."""
    scored = [assessed for assessed in decision.scores if assessed.divergence_score is not None]
    if not scored:
        reasons = Counter(assessed.rejected or "not scored" for assessed in decision.scores)
        listed = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(2))
        return f"none of {format_count(len(decision.scores), 'pair')} has a score" + (f": {listed}" if listed else "")
    best = max(scored, key=_rank)
    if any(entry.pair == best.pair for entry in decision.entries):
        return f"the best of {len(scored)}"
    limits = ReasonLimits.of(decision.scores)
    numbers = [f"z {limits.write_z(best.z, signed=True)}" if best.z is not None else "no z"]
    numbers += [f"p {limits.write_probability(best.probability)}"] if best.probability is not None else []
    numbers += [f"score {best.divergence_score:.3f}"]
    why = best.rejected or decision.reason
    return f"best of {len(scored)} {best.pair.pair_id} {', '.join(numbers)}, not taken: {why}"


def _rank(assessed: PairAssessment) -> float:
    assert assessed.divergence_score is not None
    return assessed.divergence_score
