"""What the pages of the registry say of a version: the gate's verdict as a table, then the model's card.

For people only. Nothing is read back from a description, and it is not signed: what trades is decided by tags and
aliases that are.
"""

from __future__ import annotations

from model_registry.records import Check, Verdict

ABOUT_ALIASES = (
    "`@champion` is the version that trades, `@challenger` the newest that is scored in shadow beside it. "
    "A version's description has what the promotion gate said and the model card. "
    "Change things with `pairity promote`, `pairity rollback` and `pairity models`; these pages are for looking only."
)
"""Description of a registered model."""
_MOST_CHARS = 4800
"""MLflow's column of a version's description holds 5,000."""
_CUT = "\n\n… the whole card is the description of the source run."
ROOM = "&nbsp;&nbsp;&nbsp;"
"""What ends a cell of a table that is not the last: MLflow's pages put no room between columns by themselves."""
_BAR = str.maketrans({"|": "\\|", "\n": " ", "\r": " "})


def describe_version(verdict: Verdict | None, card: str) -> str:
    """Return Markdown: the checks of the gate, failed ones first, and the card, which is cut where it is too long."""
    text = "\n".join([*_describe_verdict(verdict), "", card.strip()]).strip()
    return text if len(text) <= _MOST_CHARS else text[: _MOST_CHARS - len(_CUT)] + _CUT


def _describe_verdict(verdict: Verdict | None) -> list[str]:
    # Lists of versions show the beginning as it is written, hence no signs of Markdown in it
    if verdict is None:
        return ["Gate: not asked"]
    failed = [check for check in verdict.checks if not check.passed]
    said = f"failed {len(failed)} of {len(verdict.checks)} checks" if failed else f"passed all {len(verdict.checks)}"
    rows = [_make_row(check) for check in (*failed, *(check for check in verdict.checks if check.passed))]
    return [f"Gate: {said}", "", "| | check | found | needed |", "| --- | --- | --- | --- |", *rows]


def _make_row(check: Check) -> str:
    said = "passed" if check.passed else "**FAILED**"
    return f"| {said}{ROOM} | {_cell(check.name)}{ROOM} | {_cell(check.actual)}{ROOM} | {_cell(check.needed)} |"


def _cell(text: str) -> str:
    return text.replace("_", " ").translate(_BAR) if text.isidentifier() else text.translate(_BAR)
