"""A signature is of one statement and no other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.claims import (
    LINEAGE_TAGS,
    PROMOTION_TAGS,
    VERDICT_TAGS,
    claim_alias,
    claim_confirmation,
    claim_registration,
    claim_verdict,
)
from model_registry.records import ModelRef
from model_registry.signing_key import Key, Keyring
from model_registry.statements import Signature, is_signed, render, sign

KEY = Key(bytes(range(32)))
KEYS = Keyring(KEY, (KEY,))
OTHER = Key(bytes(32))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
statements = st.dictionaries(st.text(max_size=8), json_values, max_size=4)


@settings(max_examples=50)
@given(statements, st.integers(1, 9))
def test_what_is_signed_verifies_and_survives_storing(statement, number):
    signature = sign(statement, number, KEYS)
    assert Signature.from_json(signature.to_json()) == signature
    assert is_signed(statement, signature, KEYS)
    assert is_signed(json.loads(json.dumps(statement)), signature, KEYS)


@settings(max_examples=50)
@given(statements, statements, st.integers(1, 9), st.integers(1, 9))
def test_the_signature_of_one_statement_is_none_of_another(one, other, first, second):
    # == of Python takes 1, 1.0 and True for the same, JSON does not
    same = first == second and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    code = sign(one, first, KEYS).code
    assert is_signed(other, Signature(second, KEY.key_id, code), KEYS) == same


def test_another_key_or_a_name_of_none_does_not_count():
    statement = {"kind": "x"}
    assert not is_signed(statement, sign(statement, 1, Keyring(OTHER, (OTHER,))), KEYS)
    genuine = sign(statement, 1, KEYS)
    assert not is_signed(statement, Signature(1, OTHER.key_id, genuine.code), KEYS)
    assert not is_signed(statement, Signature(1, "", genuine.code), KEYS)
    forged = sign(statement, 1, Keyring(OTHER, (OTHER,)))
    assert not is_signed(statement, Signature(1, KEY.key_id, forged.code), KEYS)
    assert is_signed(statement, genuine, Keyring(OTHER, (OTHER, KEY)))


@given(st.text() | json_values.map(json.dumps))
def test_whatever_stands_in_the_tag_is_a_signature_or_none(text):
    read = Signature.from_json(text)
    assert read is None or not is_signed({"kind": "x"}, read, KEYS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"sequence": 1, "key": "k"}',
        '{"sequence": "1", "key": "k", "code": "c"}',
        '{"sequence": true, "key": "k", "code": "c"}',
        '{"sequence": 1.0, "key": "k", "code": "c"}',
        '{"sequence": NaN, "key": "k", "code": "c"}',
        '{"sequence": 1, "key": ["k"], "code": "c"}',
        '{"sequence": 1, "key": "k", "code": null}',
        '{"sequence": 1, "key": "k", "code": "c", "more": 1}',
        None,
        7,
    ],
)
def test_what_is_no_signature_is_none(text):
    assert Signature.from_json(text) is None


@pytest.mark.parametrize("code", ["é", "\ud800", "", "0" * 64, "A" * 10_000])
def test_a_code_of_any_text_is_compared_and_refused(code):
    assert not is_signed({"kind": "x"}, Signature(1, KEY.key_id, code), KEYS)


def test_canonical_text_is_ascii_sorted_and_without_spaces():
    assert render({"b": None, "a": {"é": 1}}) == b'{"a":{"\\u00e9":1},"b":null}'


def model(**changes):
    tags = {tag: f"value of {tag}" for tag in (*LINEAGE_TAGS, *VERDICT_TAGS, *PROMOTION_TAGS)}
    known = {
        "name": "m",
        "version": "1",
        "run_id": "r",
        "uri": "models:/m-1",
        "sha256": "s",
        "feature_service": "f",
        "snapshot_id": "p",
        "train_end": "t",
        "tags": {**tags, "signature.registration": Signature(3, "k", "c").to_json()},
    }
    return ModelRef(**(known | changes))


def all_claims(store, ref):
    return {
        "registration": claim_registration(store, ref),
        "verdict": claim_verdict(store, ref),
        "confirmation": claim_confirmation(store, ref),
        "champion": claim_alias(store, ref, "champion"),
        "challenger": claim_alias(store, ref, "challenger"),
    }


def test_claims_of_different_kinds_stores_models_and_versions_are_all_different():
    seen = [
        render(claim.statement)
        for store in ("/a", "/b")
        for ref in (model(), model(name="n"), model(version="2"), model(run_id="q"), model(uri="models:/m-2"))
        for claim in all_claims(store, ref).values()
    ]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("tag", [*LINEAGE_TAGS, *VERDICT_TAGS, *PROMOTION_TAGS])
@pytest.mark.parametrize("value", ["another", "", None])
def test_every_tag_that_is_relied_on_is_part_of_a_claim_also_when_it_is_gone(tag, value):
    before = model()
    tags = {name: text for name, text in before.tags.items() if name != tag} | ({} if value is None else {tag: value})
    changed = {
        kind
        for kind, claim in all_claims("/a", model(tags=tags)).items()
        if render(claim.statement) != render(all_claims("/a", before)[kind].statement)
    }
    if tag in LINEAGE_TAGS:
        assert changed == {"registration", "verdict", "confirmation", "champion", "challenger"}
    else:
        assert changed == ({"verdict"} if tag in VERDICT_TAGS else {"champion"})


def test_a_newer_registration_ends_what_was_said_of_the_older_one():
    older, newer = model(), model(tags={**model().tags, "signature.registration": Signature(4, "k", "c").to_json()})
    for kind, claim in all_claims("/a", older).items():
        again = all_claims("/a", newer)[kind]
        assert (render(claim.statement) == render(again.statement)) == (kind == "registration")
