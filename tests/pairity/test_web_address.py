"""Addresses: one grammar, which urllib, yarl and requests read as one, or a refusal."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from pairity.errors import ConfigError
from pairity.web_address import parse_address, parse_loopback_address, parse_private_address

PLAIN = [
    ("https://www.okx.com", "https://www.okx.com"),
    ("https://www.okx.com/", "https://www.okx.com"),
    ("https://www.okx.com:443", "https://www.okx.com"),
    ("https://www.okx.com:8443/a/b-c", "https://www.okx.com:8443/a/b-c"),
    ("http://127.0.0.1:8750/control/", "http://127.0.0.1:8750/control"),
    ("http://127.255.255.254", "http://127.255.255.254"),
    ("http://localhost:1", "http://localhost:1"),
    ("http://[::1]:8750", "http://[::1]:8750"),
]
TRICKS = [
    "",
    "www.okx.com",
    "//www.okx.com",
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "127.0.0.1:8000",
    "http:127.0.0.1",
    "http:/127.0.0.1",
    "http:///127.0.0.1",
    "http://",
    "http://:80",
    " http://127.0.0.1",
    "http://127.0.0.1 ",
    "http://127.0.0.1\n",
    "http://127.0.0.1\t:80",
    "http://127.0.0.1\x00",
    "HTTP://127.0.0.1",
    "https://WWW.okx.com",
    "https://www.okx.com.",
    "https://www..okx.com",
    "https://.okx.com",
    "https://-www.okx.com",
    "https://www.okx.com:",
    "https://www.okx.com:0",
    "https://www.okx.com:0443",
    "https://www.okx.com:65536",
    "https://www.okx.com:99999999999",
    "https://www.okx.com:４４３",
    "https://www.okx.com:443:443",
    "https://www.okx.com@evil.com",
    "https://evil.com@www.okx.com",
    "https://key:secret@www.okx.com",
    "http://127.0.0.1@evil.com",
    "http://evil.com\\@127.0.0.1",
    "http://127.0.0.1\\evil.com",
    "http://evil.com#@127.0.0.1",
    "http://evil.com?@127.0.0.1",
    "http://127.0.0.1#evil.com",
    "http://127.0.0.1?x=1",
    "http://127.0.0.1;evil.com",
    "http://127.0.0.1%2eevil.com",
    "http://127.0.0.1%00.evil.com",
    "http://127。0。0。1",
    "https://www。okx。com",
    "https://www.οkx.com",
    "https://ｗｗｗ.okx.com",
    "https://www.okx.com／evil",
    "https://www.okx.com℀.evil.com",
    "http://127.1",
    "http://127.0.1",
    "http://2130706433",
    "http://017700000001",
    "http://0x7f000001",
    "http://0x7f.1",
    "http://0x7f.0.0.1",
    "http://127.0.0.01",
    "http://0177.0.0.1",
    "http://127.0.0.256",
    "http://127.0.0.1.1",
    "http://[::1",
    "http://::1",
    "http://[::1]evil.com",
    "http://[0:0:0:0:0:0:0:1]",
    "http://[::1%25lo]",
    "http://[::1%lo]",
    "http://[v1.evil]",
    "http://[127.0.0.1]",
    "http://127.0.0.1/../x",
    "http://127.0.0.1/./x",
    "http://127.0.0.1//x",
    "http://127.0.0.1/a b",
    "http://127.0.0.1/a%2fb",
    f"http://127.0.0.1/{'a' * 400}",
    f"https://{'a' * 64}.com",
    "http://[::ffff:7f00:1]",
]
ELSEWHERE = [
    "http://evil.com",
    "http://127.0.0.1.evil.com",
    "http://localhost.evil.com",
    "http://evil.localhost",
    "http://128.0.0.1",
    "http://126.255.255.255",
    "http://0.0.0.0",
    "http://10.0.0.1",
    "http://169.254.169.254",
    "http://[::]",
    "http://[::2]",
    "http://[fe80::1]",
    "http://[::7f00:1]",
    "http://[64:ff9b::7f00:1]",
    "http://0x7f.1.evil.com",
]


@pytest.mark.parametrize(("text", "url"), PLAIN)
def test_a_plain_address_is_read(text: str, url: str) -> None:
    assert parse_address(text, "exchange.url").url == url


@pytest.mark.parametrize("text", TRICKS, ids=ascii)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"exchange\.url") as caught:
        parse_address(text, "exchange.url")
    assert caught.value.remedy
    assert str(caught.value).isprintable() or "\n" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["https://key:s3cret@www.okx.com", "https://www.okx.com?token=s3cret", "https://a#s3cret"]
)
def test_what_may_be_a_secret_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(text, "exchange.url")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ELSEWHERE)
def test_another_machine_is_no_loopback_and_gets_nothing_in_clear(text: str) -> None:
    assert not parse_address(text, "exchange.url").is_loopback
    with pytest.raises(ConfigError, match="which is not this machine"):
        parse_loopback_address(text, "exchange.control_url")
    with pytest.raises(ConfigError, match="clear text"):
        parse_private_address(text, "exchange.url")
    assert parse_private_address(text.replace("http:", "https:"), "exchange.url").scheme == "https"


PIECES = st.sampled_from(
    [
        "http://", "https://", "www.okx.com", "okx.com", "evil.com", "127.0.0.1", "localhost", "[::1]", "[", "]", "::1",
        "0x7f.1", "127.1", "2130706433", "@", ":", "/", "\\", "?", "#", ".", "..", "%2e", "%00", "。", "．", "\t", "\n",
        " ", ":443", ":80", ":0", "user", "A", "é", "\u200b", "\u2100", "xn--", "-", "_", "/control", ";", ",", "\x00",
    ]
)  # fmt: skip


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join) | st.text(max_size=30).map("https://{}".format))
def test_what_is_accepted_reads_the_same_everywhere(text: str) -> None:
    try:
        address = parse_address(text, "exchange.url")
    except ConfigError:
        return
    host = address.host.strip("[]")
    for url in (text, address.url):
        split, url_of_yarl = urlsplit(url), URL(url, encoded=True)
        asked = urlsplit(str(requests.Request("GET", url).prepare().url))
        assert {split.scheme, url_of_yarl.scheme, asked.scheme} == {address.scheme}
        assert {split.hostname, url_of_yarl.raw_host, asked.hostname} == {host}
        assert {split.port or address.port, url_of_yarl.port, asked.port or address.port} == {address.port}
        assert split.username is url_of_yarl.user is None
        assert text.isascii()
