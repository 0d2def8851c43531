from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity import local_requests
from pairity.local_requests import allowed_hosts, is_json, is_loopback, refuse_request
from tests.hostile_http import EVIL_HEADERS, EVIL_HOSTS

PORT = 8700
GOOD = ("127.0.0.1:8700", "localhost:8700", "LOCALHOST:8700", "[::1]:8700")


def test_examples_are_true():
    assert doctest.testmod(local_requests).failed == 0


@pytest.mark.parametrize("host", GOOD)
def test_the_owners_requests_are_answered(host):
    assert refuse_request([("Host", host)], "127.0.0.1", PORT) is None
    same = [("host", host), ("origin", f"http://{host.lower()}"), ("Sec-Fetch-Site", "same-origin")]
    assert refuse_request(same, "127.0.0.1", PORT) is None
    assert refuse_request([("host", host), ("sec-fetch-site", "none")], "::1", PORT) is None


@pytest.mark.parametrize("host", EVIL_HOSTS)
def test_other_hosts_are_refused(host):
    assert refuse_request([("Host", host.format(port=PORT))], "127.0.0.1", PORT)


@pytest.mark.parametrize("header", EVIL_HEADERS)
def test_other_origins_and_a_second_host_are_refused(header):
    name, _, value = header.format(port=PORT).partition(": ")
    assert refuse_request([("Host", GOOD[0]), (name, value)], "127.0.0.1", PORT)


def test_a_request_without_a_host_is_refused():
    assert refuse_request([], "127.0.0.1", PORT)


@given(st.text(max_size=40))
def test_no_other_text_is_a_host_of_this_machine(host):
    refused = refuse_request([("Host", host)], "127.0.0.1", PORT)
    assert (refused is None) == (host.strip().lower() in allowed_hosts("127.0.0.1", PORT))


def test_an_address_that_was_bound_on_purpose_is_answered():
    assert refuse_request([("Host", "192.0.2.7:80")], "192.0.2.7", 80) is None
    assert refuse_request([("Host", "192.0.2.7")], "192.0.2.7", 80) is None
    assert refuse_request([("Host", "192.0.2.7")], "192.0.2.7", PORT)
    assert refuse_request([("Host", "[2001:db8::1]:8700")], "2001:db8::1", PORT) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("192.0.2.7", False), ("", False), (None, False)],
)
def test_loopback(address, expected):
    assert is_loopback(address) is expected


@pytest.mark.parametrize(
    "simple",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain;application/json",
    ],
)
def test_content_types_that_pages_may_send_across_sites_are_not_json(simple):
    assert not is_json(simple)
