"""A book as a registered version: data of fixed shape, hashed, and refused where anything of it is another."""

from __future__ import annotations

import json

import pytest

from model_registry import registry
from model_registry.drift_file import read_drift_file
from model_registry.loading import load_book, load_estimator, verified_directory
from model_registry.stored_books import BOOK_FILE, STORED_BOOKS, read_book
from pairity.books.families import BOOK_FAMILIES
from pairity.books.limits import BookLimits
from pairity.errors import ConfigError, MissingDataError, ModelIntegrityError, RegistryError, UnknownNameError
from pairity.layout import Layout
from tests.model_registry.book_fits import LEARNT
from tests.model_registry.book_versions import make_book, register_book
from tests.serving.registered_models import NOW, settings_in
from tests.serving.registered_models import register as register_forest
from training.score_sources import ModelScores


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return settings_in(tmp_path_factory.mktemp("home"))


def test_what_is_registered_comes_back_to_the_last_bit(settings):
    made = make_book(settings, limits=BookLimits(0.1 + 0.2, None, 1.0 / 3.0, 2.97), registration="trend_carry_book-2")
    version = register_book(settings, made)
    assert version.is_book
    assert load_book(Layout.of(settings), version) == made
    assert registry.promote(settings, version.version, "a test", NOW).aliases == ("champion",)
    again = register_book(settings, made)
    assert again.sha256 == version.sha256


def test_what_is_there_for_comparison_alone_cannot_be_registered():
    rules = {name for name, one in BOOK_FAMILIES.items() if one.is_rule}
    assert rules == {"trend_book", "carry_book", "trend_carry_book", "pair_continuation"}
    assert set(STORED_BOOKS) == {*rules, *LEARNT, "combined_equal", "combined_shrunk"}
    assert "picked_past" not in STORED_BOOKS


def test_a_version_is_read_by_its_kind_alone(settings):
    book, forest = register_book(settings), register_forest(settings, seed=1)
    layout = Layout.of(settings)
    with pytest.raises(RegistryError, match=r"is a book \(trend_carry_book\), and no model that scores pairs"):
        load_estimator(layout, book)
    with pytest.raises(RegistryError, match="is of the family pair_forest, and no book"):
        load_book(layout, forest)


def test_what_is_for_models_of_pairs_alone_says_so_of_a_book(settings):
    book = register_book(settings)
    with pytest.raises(ConfigError, match=r"is a book \(trend_carry_book\): it has no scores") as caught:
        ModelScores(settings, book.version)
    assert "pairity books --family trend_carry_book" in caught.value.remedy
    with pytest.raises(MissingDataError, match="nothing of it is learnt that could drift"):
        read_drift_file(Layout.of(settings), book)


def test_changed_files_and_files_beside_it_are_refused(settings):
    version = register_book(settings)
    layout = Layout.of(settings)
    folder = verified_directory(layout, version)
    content = (folder / BOOK_FILE).read_bytes()
    (folder / BOOK_FILE).write_bytes(content.replace(b'"gross": null', b'"gross": 10.0'))
    with pytest.raises(ModelIntegrityError, match="is not the one that was registered"):
        load_book(layout, version)
    (folder / BOOK_FILE).write_bytes(content)
    (folder / "model.json").write_bytes(b"{}")
    with pytest.raises(ModelIntegrityError, match=r"two models in .*: book.json beside model.json"):
        load_book(layout, version)


def changed(settings, **changes):
    content = json.loads(make_book(settings).to_files()[BOOK_FILE])
    content.update(changes)
    return json.dumps(content).encode()


NO_LIMITS = dict.fromkeys(("volatility", "gross", "net", "margin"))
HOSTILE = {
    "not JSON": (b"{", "is not JSON"),
    "no object": (b"[]", "does not have the fields"),
    "another format": ({"format": 4}, "format"),
    "the new format without a fit": ({"format": 2}, "does not have the fields"),
    "members of what combines nothing": (
        {"format": 3, "made_at": "", "members": []},
        "learns nothing, and its file holds books that are combined",
    ),
    "true for one": ({"format": True}, "format"),
    "a fit of what learns nothing": ({"format": 2, "fit": {}}, "learns nothing, and its file holds a fit"),
    "a fit in the old format": ({"fit": {}}, "does not have the fields"),
    "a family for comparison": ({"family": "picked_past"}, "no book that can be registered"),
    "no family": ({"family": ["trend_carry_book"]}, "no book that can be registered"),
    "another family's file": ({"family": "trend_book"}, "its file holds trend_book"),
    "another band": ({"band": 0.5}, "another definition"),
    "another number of names": ({"size": 3}, "another definition"),
    "true for a size": ({"size": True}, "another definition"),
    "hours as a text": ({"every_hours": "24"}, "another definition"),
    "no limits": ({"limits": None}, "its limits"),
    "a limit more": ({"limits": {**NO_LIMITS, "code": "x"}}, "its limits"),
    "a limit as a text": ({"limits": {**NO_LIMITS, "volatility": "1"}}, "volatility"),
    "beyond its bounds": ({"limits": {**NO_LIMITS, "gross": 1e9}}, "gross"),
    "more than any leverage": ({"limits": {**NO_LIMITS, "margin": 125.5}}, "margin"),
    "a limit too few": ({"limits": {"volatility": None, "gross": None, "net": None}}, "its limits"),
    "no names": ({"universe": []}, "universe"),
    "a name twice": ({"universe": ["BTC", "BTC"]}, "twice"),
    "other names": ({"universe": ["BTC", "XRP"]}, "its names are BTC, XRP"),
    "no digest": ({"code_sha256": "../x"}, "digest"),
    "registration of another kind": ({"registration": 1}, "registration"),
    "a field more": ({"__reduce__": "os.system"}, "does not have the fields"),
    "costs that lack one": ({"costs": {"fee_bps": 5.0}}, "its costs"),
    "infinite costs": (
        {"costs": {"initial_equity_usdt": 1e300, "fee_bps": 5.0, "slippage_bps": 1.0, "impact": 1.0}},
        "is refused",
    ),
    "far too long": (b" " * (1 << 19), "bytes"),
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_what_is_no_book_is_refused_and_not_registered(settings, trick):
    change, words = HOSTILE[trick]
    content = change if isinstance(change, bytes) else changed(settings, **change)
    tags = {"family": "trend_carry_book", "universe": ",".join(settings.universe.assets)}
    with pytest.raises(ModelIntegrityError, match=words):
        read_book(content, tags, "a place")


def test_files_of_one_kind_under_the_label_of_another_are_not_registered(settings):
    before = len(registry.list_versions(settings))
    with pytest.raises(ModelIntegrityError, match="its files hold a book"):
        register_book(settings, family="always_revert")
    with pytest.raises(UnknownNameError):
        register_book(settings, family="picked_past")
    with pytest.raises(ModelIntegrityError, match="its family is book_ranker, and its file holds trend_carry_book"):
        register_book(settings, family="book_ranker")
    with pytest.raises(ModelIntegrityError, match="its family is trend_book, and its file holds trend_carry_book"):
        register_book(settings, family="trend_book")
    assert len(registry.list_versions(settings)) == before
