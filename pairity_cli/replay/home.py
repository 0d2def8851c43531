"""The directory of a replay: made anew, or with the features that an earlier replay of the same hours left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pairity.bounded_files import read_json_file
from pairity.durable import replace_file
from pairity.errors import ConfigError
from pairity.home_settings import collect_values
from pairity.settings import Settings
from pairity_cli.replay.plan import ReplayPlan

_MARK = ".pairity-replay"
_OF_FEATURES = {"lake", "staging", "features", "feast", "reference", "quarantine", "gx", "settings.json"}
"""What ingestion and feature jobs leave, besides files that begin with a dot; all else is of the trading, and goes."""


def prepare_home(settings: Settings, plan: ReplayPlan) -> None:
    """Make the directory ready to trade in: empty, or with `plan.again` as an earlier replay's features left it.

    ConfigError where it holds anything but a replay, and with `plan.again` where there is none of the same hours.
    """
    mark = plan.home / _MARK
    if plan.home.exists() and any(plan.home.iterdir()) and not mark.exists():
        raise ConfigError(f"{plan.home} holds data that no replay made", "choose another --home")
    if plan.again:
        if not mark.exists() or not _serves(_read(mark), _describe(settings, plan)):
            raise ConfigError(f"{plan.home} holds no features of a finished replay of these hours", "leave out --again")
        _forget_trading(plan.home)
        return
    if plan.home.exists():
        shutil.rmtree(plan.home)
    replace_file(mark, b"{}")


def note_features(settings: Settings, plan: ReplayPlan) -> None:
    """Note which hours the directory has all features of."""
    replace_file(plan.home / _MARK, json.dumps(_describe(settings, plan), sort_keys=True).encode())


def _serves(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Return whether features are those that are wanted, or more: a book's, and a longer history, go further back."""
    longer = {**wanted, "history_days": max(wanted["history_days"], found.get("history_days", 0))}
    return found == longer or (not wanted["book"] and found == {**longer, "book": True})


def _read(mark: Path) -> Any:  # noqa: ANN401 - any JSON
    return read_json_file(mark)


def _describe(settings: Settings, plan: ReplayPlan) -> dict[str, Any]:
    values = collect_values(settings, interval=True)
    described = {
        "data": str(plan.data.resolve()),
        "since": plan.since.isoformat(),
        "until": plan.until.isoformat(),
        "history_days": plan.history_days,
        "book": plan.book is not None,
        "settings": {name: value for name, value in values.items() if name != "exchange"},
    }
    plain: dict[str, Any] = json.loads(json.dumps(described, default=str))
    return plain


def _forget_trading(home: Path) -> None:
    for path in home.iterdir():
        if path.name in _OF_FEATURES or path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
