"""A combination as files of its version: its books with their fits, to the last bit; all else is refused by name."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from model_registry.drift_file import read_drift_file
from model_registry.files import ModelFiles, model_digest
from model_registry.loading import load_book, verified_directory
from model_registry.stored_books import BOOK_FILE, read_book
from pairity.books.families import MEMBERS
from pairity.errors import MissingDataError, ModelIntegrityError
from pairity.layout import Layout
from tests.model_registry.book_fits import make_fit
from tests.model_registry.book_versions import make_book, register_book
from tests.serving.registered_models import settings_in

EQUAL, SHRUNK = "combined_equal", "combined_shrunk"
MADE_AT = datetime(2024, 1, 5, tzinfo=UTC)
RIDGE, TREES, FOREST, PAIRS = (
    MEMBERS.index(name) for name in ("book_ranker_ridge", "book_ranker", "pair_outcome_forest", "pair_outcome_boosting")
)
FIRST_TREES = "book_ranker_trees_3d.txt"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return settings_in(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def made(settings):
    return make_book(settings, EQUAL, fit=make_fit(EQUAL, MADE_AT))


def make_tags(settings, **changes):
    return {"family": EQUAL, "universe": ",".join(settings.universe.assets), **changes}


def test_a_registered_combination_comes_back_to_the_last_bit(settings, made):
    version = register_book(settings, made)
    found = load_book(Layout.of(settings), version)
    assert found == made
    assert found.to_files() == made.to_files()
    assert list(found.fit.members) == list(MEMBERS)
    assert [name for name, one in found.fit.members.items() if one.fit is None] == [*MEMBERS[:3]]
    assert sorted(name for name in made.to_files() if name != BOOK_FILE) == sorted(
        [
            *(f"book_ranker_trees_{days}d.txt" for days in (3, 5)),
            *(f"{MEMBERS[one]}_trees_{hours}h.txt" for one in (FOREST, PAIRS) for hours in (24, 72, 168, 720)),
        ]
    )
    with pytest.raises(MissingDataError, match="drift of what books learn is not measured"):
        read_drift_file(Layout.of(settings), version)


def test_every_part_of_every_member_is_inside_the_one_digest(settings, made):
    others = [made]
    for name, member in made.fit.members.items():
        changed = [replace(member, begun=not member.begun)]
        if member.fit is not None:
            changed.append(replace(member, fit=make_fit(name, MADE_AT, 1)))
        others += [replace(made, fit=replace(made.fit, members={**made.fit.members, name: one})) for one in changed]
    digests = {model_digest(ModelFiles(Layout.of(settings).root, one.to_files())) for one in others}
    assert len(digests) == len(others) == 1 + 7 + 4


def test_a_member_that_trades_nothing_has_no_trees(settings, made):
    idle = replace(make_fit("pair_outcome_forest", MADE_AT), models={}, margin=None)
    members = {**made.fit.members, "pair_outcome_forest": replace(made.fit.members["pair_outcome_forest"], fit=idle)}
    book = replace(made, fit=replace(made.fit, members=members))
    files = book.to_files()
    assert not any(name.startswith("pair_outcome_forest") for name in files)
    content = files.pop(BOOK_FILE)
    assert read_book(content, make_tags(settings), "a place", files) == book


def change(place, **values):
    def apply(card):
        (card if place is None else card["members"][place]).update(values)

    return apply


def swap(card):
    card["members"][FOREST], card["members"][PAIRS] = card["members"][PAIRS], card["members"][FOREST]


HOSTILE = {
    "no members": (change(None, members={}), "its members are not the 7 of combined_equal"),
    "a member less": (lambda card: card["members"].pop(), "its members are not the 7 of combined_equal"),
    "a member twice": (lambda card: card["members"].append(card["members"][0]), "its members are not the 7"),
    "a member as a text": (lambda card: card["members"].__setitem__(2, "x"), "its member pair_continuation does not"),
    "members in another order": (swap, "its member is 'pair_outcome_boosting', and pair_outcome_forest has its place"),
    "a combination in itself": (change(0, family=EQUAL), "its member is 'combined_equal', and trend_book has"),
    "another band": (change(2, band=0.5), "pair_continuation was judged with another definition"),
    "another number of names": (change(2, size=12), "pair_continuation was judged with another definition"),
    "other hours": (change(2, every_hours=24), "pair_continuation was judged with another definition"),
    "a field more": (change(0, code="x"), "its member trend_book does not have the fields"),
    "a number for begun": (change(0, begun=1), "begun of trend_book is '1', not true or false"),
    "a past of equal shares": (change(1, past=[0.01]), "past of carry_book is no list of at most 0 numbers"),
    "a past as a text": (change(1, past="x"), "past of carry_book is no list"),
    "a fit of a rule": (change(0, fit={}), "trend_book learns nothing, and its part holds a fit"),
    "no fit of what learns": (change(RIDGE, fit=None), "its fit does not have the fields"),
    "another close": (
        lambda card: card["members"][RIDGE]["fit"].update(made_at="2024-01-04T00:00:00+00:00"),
        "book_ranker_ridge was fitted at 2024-01-04 00:00 UTC, the others at another close",
    ),
    "no close": (change(None, made_at="yesterday"), "made_at is 'yesterday'"),
    "a hostile fit": (
        lambda card: card["members"][RIDGE]["fit"]["models"][0].update(mean=9.0),
        "mean is '9.0', not a number",
    ),
    "another digest of trees": (
        lambda card: card["members"][TREES]["fit"]["models"][0].update(trees_sha256="0" * 64),
        "trees_3d.txt is not the file that its fit names",
    ),
    "the format of a rule": (change(None, format=1), "does not have the fields"),
    "a field of a fit beside": (change(None, fit={}), "does not have the fields"),
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_hostile_combination_is_refused_by_name(settings, made, trick):
    apply, words = HOSTILE[trick]
    files = made.to_files()
    card = json.loads(files.pop(BOOK_FILE))
    apply(card)
    with pytest.raises(ModelIntegrityError, match=words):
        read_book(json.dumps(card).encode(), make_tags(settings), "a place", files)


def test_trees_that_are_missing_or_of_another_member_or_too_many_are_refused(settings, made):
    files = made.to_files()
    content, tags = files.pop(BOOK_FILE), make_tags(settings)
    text = files[FIRST_TREES]
    lacking = {name: one for name, one in files.items() if name != FIRST_TREES}
    for beside, words in (
        (lacking, "trees_3d.txt is not the file that its fit names"),
        (lacking | {"trees_3d.txt": text}, "trees_3d.txt is not the file that its fit names"),
        (files | {"trees_3d.txt": text}, "beside it lie trees_3d.txt, of no member"),
        (files | {"book_ranker_ridge_trees_3d.txt": text}, "not the trees of its fit"),
        (files | {"trend_book_trees_3d.txt": text}, "of no member|learns nothing, and its part holds a fit"),
    ):
        with pytest.raises(ModelIntegrityError, match=words):
            read_book(content, tags, "a place", beside)


def test_it_is_no_younger_than_what_its_version_has_seen(settings, made):
    files = made.to_files()
    content = files.pop(BOOK_FILE)
    early = make_tags(settings, train_end=(MADE_AT - timedelta(hours=1)).isoformat())
    with pytest.raises(ModelIntegrityError, match="fitted at 2024-01-05 00:00"):
        read_book(content, early, "a place", files)


def test_a_strange_file_beside_it_is_refused_before_anything_is_read(settings, made):
    version = register_book(settings, made)
    folder = verified_directory(Layout.of(settings), version)
    (folder / "trend_book_trees_3d.txt").write_bytes(b"tree")
    with pytest.raises(ModelIntegrityError, match="is no file of a model"):
        load_book(Layout.of(settings), version)


@pytest.fixture(scope="module")
def shrunk(settings):
    return make_book(settings, SHRUNK, fit=make_fit(SHRUNK, MADE_AT))


def test_a_past_comes_back_to_the_last_bit_at_its_longest_too(settings, shrunk):
    long = {
        name: replace(one, past=tuple(0.1 * math.sin(day * (place + 1)) for day in range(365)))
        for place, (name, one) in enumerate(shrunk.fit.members.items())
    }
    for book in (shrunk, replace(shrunk, fit=replace(shrunk.fit, members=long))):
        version = register_book(settings, book)
        assert load_book(Layout.of(settings), version) == book


PASTS = {
    "a day too many": (change(0, past=[0.0] * 366), "past of trend_book is no list of at most 365 numbers"),
    "an integer": (change(0, past=[1]), "past of trend_book is '1', not a number"),
    "a text": (change(0, past=["0.1"]), "past of trend_book is '0.1', not a number"),
    "beyond its bounds": (change(0, past=[10.5]), "past of trend_book is '10.5', not a number from -10 to 10"),
    "of a book that has not begun": (change(0, begun=False), "past of trend_book is no list of at most 365"),
    "an object": (change(0, past={}), "past of trend_book is no list"),
}


@pytest.mark.parametrize("trick", PASTS)
def test_a_hostile_past_is_refused_by_name(settings, shrunk, trick):
    apply, words = PASTS[trick]
    files = shrunk.to_files()
    card = json.loads(files.pop(BOOK_FILE))
    apply(card)
    with pytest.raises(ModelIntegrityError, match=words):
        read_book(json.dumps(card).encode(), make_tags(settings, family=SHRUNK), "a place", files)


def test_a_past_that_is_no_number_is_refused(settings, shrunk):
    files = shrunk.to_files()
    content = files.pop(BOOK_FILE)
    first = json.dumps(shrunk.fit.members["trend_book"].past[0]).encode()
    for value in (b"NaN", b"Infinity", b"1e999"):
        with pytest.raises(ModelIntegrityError, match="refused"):
            read_book(content.replace(first, value, 1), make_tags(settings, family=SHRUNK), "a place", files)
