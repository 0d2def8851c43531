"""A grid over any settings of the strategy, as written on a command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from pairity.errors import ConfigError, UnknownNameError
from pairity.names import show
from pairity.settings import StrategySettings
from training.backtest.grid import MOST_POINTS, Value, check_points

_NOT_IN_GRID = {
    "leverage": "the account's terms depend on it",
    "entry_order": "a backtest fills by costs.fill_model",
    "limit_drift": "a backtest fills by costs.fill_model",
    "stop_bounds": "it is a pair of numbers",
    "target_bounds": "it is a pair of numbers",
}
GRID_SETTINGS = tuple(name for name in StrategySettings.model_fields if name not in _NOT_IN_GRID)
"""Settings that a grid may vary, in their order."""


@dataclass(frozen=True, slots=True)
class SettingsPoint:
    """One trial: values of settings of the strategy."""

    values: tuple[tuple[str, Value], ...]

    def changes(self) -> dict[str, Value]:
        """Return the settings of this trial."""
        return dict(self.values)


@dataclass(frozen=True, slots=True)
class SettingsGrid:
    """All combinations of values of settings of the strategy."""

    axes: tuple[tuple[str, tuple[Value, ...]], ...]

    def list_points(self) -> list[SettingsPoint]:
        """Return every combination, the last setting varying fastest; raises what `check_points` raises."""
        names = [name for name, _ in self.axes]
        count = math.prod(len(values) for _, values in self.axes)
        if count > MOST_POINTS:  # before they are made: a slip of the pen could ask for billions
            check_points(count, count)
        points = [
            SettingsPoint(tuple(zip(names, values, strict=True)))
            for values in product(*(values for _, values in self.axes))
        ]
        check_points(len(points), len(set(points)))
        return points


def parse_grid(texts: Sequence[str]) -> SettingsGrid:
    """Return the grid of texts such as `z_entry=0.8,1.0`, one per setting.

    Numbers are read as numbers, true and false as such, everything else as text; whether a setting may have a value is
    checked where the grid is run. ConfigError for a text of another form, a value that is not finite, a setting that is
    named twice or that no grid can vary; UnknownNameError for a setting that does not exist.
    """
    axes: dict[str, tuple[Value, ...]] = {}
    for text in texts:
        name, separator, listed = text.partition("=")
        name = name.strip().removeprefix("strategy.")
        values = [part.strip() for part in listed.split(",")]
        if not separator or not all(values):
            raise ConfigError(f"{show(text)} is no part of a grid", "write NAME=VALUE,VALUE such as z_entry=0.8,1.0")
        if reason := _NOT_IN_GRID.get(name):
            raise ConfigError(f"a grid cannot vary strategy.{name}: {reason}", "set it for the whole backtest instead")
        if name not in GRID_SETTINGS:
            raise UnknownNameError("setting of the strategy", name, GRID_SETTINGS)
        if name in axes:
            raise ConfigError(f"the grid names {name} twice", f"write all its values once: {name}=VALUE,VALUE")
        axes[name] = tuple(_parse_value(value, name) for value in values)
    return SettingsGrid(tuple(axes.items()))


def _parse_value(text: str, name: str) -> Value:
    if text in {"true", "false"}:
        return text == "true"
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        raise ConfigError(f"{text!r} is no value of {name}", "write a finite number")
    return int(number) if number.is_integer() else number
