"""The command that mends something about the data of a venue, as a person can type it."""

from __future__ import annotations

from ingestion.lake.partitions import HOME_VENUE
from ingestion.sources.catalog import find_source_name
from pairity.errors import ConfigError


def write_fetch_command(venue: str) -> str:
    """Return the command that brings rows of a venue that the lake lacks."""
    if venue == HOME_VENUE:
        return "pairity ingest"
    return f"pairity collect {_name_source(venue)}"


def write_repair_command(venue: str) -> str:
    """Return the command that asks for each hole in the rows of a venue again.

    Files are not known by their venue: whoever types the command names the source and the folder.
    """
    try:
        find_source_name(venue)
    except ConfigError:
        return f"pairity gaps --repair --venue {venue} --source NAME --folder FOLDER"
    return "pairity gaps --repair" if venue == HOME_VENUE else f"pairity gaps --repair --venue {venue}"


def _name_source(venue: str) -> str:
    try:
        return f"--source {find_source_name(venue)}"
    except ConfigError:
        return f"--source NAME --folder FOLDER --venue {venue}"
