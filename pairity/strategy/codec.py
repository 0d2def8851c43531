"""Exact JSON of strategy records, for the journal: a record read back equals the written one to the last bit."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from pairity.strategy.types import Decision, PairPosition, StrategyState

_STATE = TypeAdapter(StrategyState)
_DECISION = TypeAdapter(Decision)
_POSITION = TypeAdapter(PairPosition)


@dataclass(frozen=True)
class _Carried:
    """What the next decision needs of a decision; validation passes over everything else."""

    state: StrategyState


_CARRIED = TypeAdapter(_Carried)


def state_to_json(state: StrategyState) -> str:
    """Return the JSON text of a state."""
    return _STATE.dump_json(state).decode()


def state_from_json(text: str) -> StrategyState:
    """Return the state of a JSON text; pydantic's ValidationError if it is not one."""
    return _STATE.validate_json(text)


def decision_to_json(decision: Decision) -> str:
    """Return the JSON text of a decision."""
    return _DECISION.dump_json(decision).decode()


def decision_from_json(text: str) -> Decision:
    """Return the decision of a JSON text; pydantic's ValidationError if it is not one."""
    return _DECISION.validate_json(text)


def state_after_decision(text: str) -> StrategyState:
    """Return the state that a decision's JSON text ends with, without reading its scores."""
    return _CARRIED.validate_json(text).state


def position_to_json(position: PairPosition) -> str:
    """Return the JSON text of a position."""
    return _POSITION.dump_json(position).decode()


def position_from_json(text: str) -> PairPosition:
    """Return the position of a JSON text; pydantic's ValidationError if it is not one."""
    return _POSITION.validate_json(text)
