"""The champion of a process that trades a book: a version that defines it, followed as a model of pairs is.

One process trades one book: its hours, its watch and its stops belong to a family. Another version of the family takes
over at the next decision; any other champion stops the deciding, while what is held stays with its stops.
"""

from __future__ import annotations

from model_registry.loading import load_book
from model_registry.records import ModelRef
from model_registry.signatures import Verifier
from model_registry.stored_books import StoredBook
from pairity.books.account_limits import make_limits
from pairity.errors import RegistryError
from pairity.layout import Layout
from pairity.settings import Settings
from serving.models.champion import FollowedVersion


class BookChampion(FollowedVersion):
    """Champion that is a book.

    Building it raises what `load_book` raises, SignatureError where the version is not what was signed, and
    RegistryError where it was made for other names, or judged within other limits than the settings have.
    """

    book: StoredBook
    _ref: ModelRef

    @property
    def ref(self) -> ModelRef:
        """Version that decides."""
        return self._ref

    def _take(self, named: ModelRef) -> None:
        self._ref, self.book = named, load_traded_book(self._settings, named)

    def _require_fit(self, named: ModelRef) -> None:
        if named.family == self.ref.family:
            return
        what = f"the book {named.family}" if named.is_book else "a model of pairs"
        before = "" if named.is_book else "close what is held (pairity halt --flatten), then "
        raise RegistryError(
            f"it is {what}, and this process trades {self.ref.family}: {before}end the process and start it again"
        )


def load_traded_book(settings: Settings, named: ModelRef) -> StoredBook:
    """Return the book of a version, its files and signature checked; raises what building a `BookChampion` raises."""
    layout = Layout.of(settings)
    Verifier(layout).require_registration(named)
    book = load_book(layout, named)
    _require_terms(named, book, settings)
    return book


def _require_terms(named: ModelRef, book: StoredBook, settings: Settings) -> None:
    if book.universe != settings.universe.assets:
        raise RegistryError(
            f"version {named.version} was made for the names {', '.join(book.universe)}, and universe.assets is "
            f"{', '.join(settings.universe.assets)}",
            "restore universe.assets, or train again: pairity train",
        )
    wanted = make_limits(settings)
    if book.limits != wanted:
        raise RegistryError(
            f"version {named.version} was judged within the limits {str(book.limits) or 'none'}, and the settings "
            f"books.volatility_target, gross_max and net_max, and strategy.leverage, say {wanted}",
            "restore them, or train again: pairity train",
        )
