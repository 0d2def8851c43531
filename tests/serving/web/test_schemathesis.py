"""The API as its own description says it: thousands of requests made from the schema, with and without the token."""

from __future__ import annotations

import pytest

from pairity.trading_settings import ServeSettings
from tests.serving.api_scene import serving

schemathesis = pytest.importorskip("schemathesis")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]
# The stream has no end: it is tested by itself.
STREAM = "/api/v1/stream"
EXAMPLES = 25
TOKEN = {"Authorization": "Bearer s3cret"}


class Guarded:
    def __init__(self, scene):
        self.settings = scene.settings.model_copy(update={"serve": ServeSettings(port=0, status_token="s3cret")})
        self.sources = scene.sources


@pytest.fixture(scope="module")
def guarded(scene):
    with serving(Guarded(scene)) as asked:
        yield asked


def load(client, **headers):
    schema = schemathesis.openapi.from_url(f"{client.url}/api/v1/openapi.json", headers=headers)
    return schema.exclude(path=STREAM)


def check_all(schema, **options):
    """Send generated requests of every operation, valid and invalid ones, and return how many were answered."""
    from hypothesis import HealthCheck, given, settings
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    sent = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(operation.as_strategy(generation_mode=mode))
            def ask(case):
                nonlocal sent
                sent += 1
                # A cursor is a text of ours: no schema can say which ones there are.
                unsaid = [positive_data_acceptance] if "before" in (case.query or {}) else []
                case.call_and_validate(excluded_checks=unsaid, **options)

            try:
                ask()
            except Exception as error:
                if type(error).__name__ not in ("Unsatisfiable", "InvalidArgument", "SkipTest"):
                    raise
    return sent


def test_every_answer_is_what_the_schema_says(client):
    assert check_all(load(client)) > 500


def test_the_same_with_the_token(guarded):
    assert check_all(load(guarded, **TOKEN), headers=TOKEN) > 500


def test_without_the_token_nothing_is_answered(guarded):
    from hypothesis import HealthCheck, given, settings

    for found in load(guarded, **TOKEN).get_all_operations():
        operation = found.ok()

        @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy())
        def ask(case):
            answer = case.call(headers={"Authorization": "Bearer s3cre"})
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == ["Bearer"] or answer.headers["www-authenticate"] == "Bearer"

        ask()
