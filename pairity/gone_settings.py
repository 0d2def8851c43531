"""Settings of earlier releases that have no use any more, each with what took its place."""

from __future__ import annotations

from collections.abc import Mapping

GONE: Mapping[tuple[str, str], str] = {
    ("gate", "psi_max"): (
        "the limit of drift is what stretches of the training rows themselves reach by chance, and nothing is set; "
        "take gate.psi_max out"
    ),
}
"""By section and name, what to do without the setting."""
