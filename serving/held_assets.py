"""Assets that are held: what needs a contract, whatever the settings say of the universe."""

from __future__ import annotations

from pairity.universe import short_name
from serving.journal import Journal


def list_held_assets(journal: Journal) -> list[str]:
    """Return the assets (short names) that positions of pairs and a book hold by the journal, sorted."""
    legs = {leg.asset for record in journal.open_positions() for leg in record.position.legs}
    return sorted(legs | {short_name(instrument) for instrument in journal.books.count_held()})
