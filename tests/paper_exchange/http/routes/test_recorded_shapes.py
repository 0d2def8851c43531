"""The shape of every answer equals that of the venue's own, key by key and type by type.

Recorded answers and the guide's samples are read from PAIRITY_RECORDED_DATA; every file of answers is compared or
named below with the reason why it is not. Values are never compared, only which keys there are and what type they have.
"""

import pytest

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.market.synthetic import SyntheticMarket
from tests.paper_exchange.exchange_server import inject, serving
from tests.paper_exchange.http.routes.recorded_questions import (
    ACCOUNT,
    COMPARED,
    EXACT,
    FOLDER,
    NOT_SERVED,
    ORDER,
    OTHERS_MORE,
    OURS_MORE,
    READS,
    START_MS,
    SWAP,
    WRITES,
    last,
    names_of,
    samples,
)
from tests.paper_exchange.signed_requests import send

pytestmark = COMPARED


def compare(name, ours):
    for sample in samples(name):
        theirs, mine = names_of(sample), names_of(ours)
        missing = {key for key in theirs if key not in mine and last(key) not in OTHERS_MORE.get(name, "").split()}
        # What lies in a list that is empty here cannot be compared: it must not be.
        assert missing == set(), f"keys that the venue has and we have not: {sorted(missing)}"
        other = {key: (mine[key], kind) for key, kind in theirs.items() if key in mine and mine[key] != kind}
        assert other == {}, f"other types than the venue's: {other}"
        if name.startswith(EXACT):
            # Inside a list that is empty in the sample nothing can be compared.
            comparable = (key for key in mine if key.rpartition(".")[0] in theirs and not key.endswith("[]"))
            extra = {last(key) for key in comparable if key not in theirs}
            extra -= {*OURS_MORE.get(name, "").split()}
            assert extra == set(), f"keys that we have and the venue has not: {sorted(extra)}"


@pytest.mark.parametrize("name", READS)
def test_reads(full_url, name):
    path, query = READS[name]
    if path == "system/status":
        inject(full_url, "status_ongoing", "system/status")
    compare(name, send(full_url, "GET", path, query).json())


@pytest.mark.parametrize("name", WRITES)
def test_writes(full_url, name):
    path, body = WRITES[name]
    answer = send(full_url, "POST", path, body).json()
    assert answer["code"] == "0" or name.endswith("rejected"), answer
    compare(name, answer)


def test_parts_of_answers(full_url):
    [balance] = send(full_url, "GET", "account/balance").json()["data"]
    fill = send(full_url, "GET", "trade/fills", SWAP).json()["data"][0]
    [element] = send(full_url, "POST", "trade/order", ORDER).json()["data"]
    for name, part in (
        ("http_balance_detail_new_fields", balance["details"][0]),
        ("http_balance_detail_old_fields", balance["details"][0]),
        ("http_transaction_detail", fill),
        ("http_transaction_detail_empty_fee", fill),
        ("http_place_order_response", element),
    ):
        compare(f"nautilus_trader/{name}", part)


def test_position_mode_and_throttling():
    market = SyntheticMarket(7, START_MS, history_days=1, future_days=1)
    clock = VirtualClock("stepped", START_MS)
    with serving(market, clock, account=Account(market, clock, 10), rate_limits=True) as where:
        answer = send(where, "POST", "account/set-position-mode", {"posMode": "net_mode"}).json()
        compare(f"guide/{ACCOUNT}set-position-mode", answer)
        compare("nautilus_trader/http_set_position_mode_response", answer)
        answers = [send(where, "GET", "account/config") for _ in range(6)]
        assert answers[-1].status_code == 429
        assert answers[-1].json() == samples("recorded/throttled_http429_body")[0]


def test_every_file_of_answers_is_compared_or_named():
    names = {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.json")}
    messages = {name for name in names if "/ws_" in name or "websocket" in name or "-ws-" in name}
    assert names - messages - set(READS) - set(WRITES) == set(NOT_SERVED)
