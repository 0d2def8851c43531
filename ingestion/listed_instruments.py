"""What a venue lists, spot and swaps: asked for once, kept on disk, so that pairs can say whether a cross exists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from ingestion.sources.okx import OkxSource
from pairity.bounded_files import read_json_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.durable import replace_file
from pairity.errors import ConfigError, DataError, VenueAnswerError
from pairity.layout import Layout
from pairity.names import LISTED
from pairity.settings import Settings
from venue.okx_client import aclose, make_client, server_time


@dataclass(frozen=True, slots=True)
class ListedInstruments:
    """Ids of everything that the venue listed at `asked_at`."""

    asked_at: datetime
    ids: frozenset[str]


async def ask_listed(settings: Settings) -> ListedInstruments:
    """Ask the venue what it lists, and keep the answer.

    ConfigError where the features are of another venue than the one that is asked; VenueError where it does not answer,
    VenueAnswerError where it lists nothing at all: nothing is kept then.
    """
    if settings.features.venue != OkxSource.venue:
        raise ConfigError(
            f"features.venue is {settings.features.venue!r}, and only {OkxSource.venue} can be asked what it lists",
            "leave --ask-venue out",
        )
    client = make_client(settings, signed=False)
    try:
        now = await server_time(client)
        ids = await OkxSource.of(client, settings).list_instruments()
    finally:
        await aclose(client)
    if not ids:
        raise VenueAnswerError("the venue lists no instrument at all", "ask again later; nothing was kept")
    listed = ListedInstruments(now, ids)
    content = json.dumps({"asked_at": now.isoformat(), "ids": sorted(ids)}, indent=1)
    replace_file(Layout.of(settings).listed_instruments, content.encode())
    return listed


def read_listed(settings: Settings) -> ListedInstruments | None:
    """Return what was kept last; None where the features' venue was never asked. DataError where it cannot be read."""
    if settings.features.venue != OkxSource.venue:
        return None
    path = Layout.of(settings).listed_instruments
    try:
        stored = read_json_file(path)
        ids = frozenset(stored["ids"])
        if not all(map(LISTED.accepts, ids)):
            raise ValueError("it holds what is no instrument")
        return ListedInstruments(datetime.fromisoformat(stored["asked_at"]), ids)
    except FileNotFoundError:
        return None
    except OutOfBoundsError as error:
        raise DataError(f"{path} {error.what}", "delete it, and ask again: pairity pairs --ask-venue") from None
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}", "delete it, and ask again: pairity pairs --ask-venue"
        ) from None
