"""What a store says is checked before anything is done with it: paths, sizes, digests, instants."""

from __future__ import annotations

import json

import pytest

from ingestion.published.state import PublishedFile as File
from ingestion.published.state import Root, encode_listing, is_published, parse_listing, parse_root, section_of
from pairity.errors import DataError
from tests.ingestion.published.homes import START

DIGEST = "ab" * 32
PART = "lake/index_1h/venue=okx/instrument=BTC-USDT-SWAP/month=2025-01/part.parquet"
ROOT = Root(
    number=3, token="t", published_at=START, published_by="m", is_pruning=False, sections={"lake/x": File(1, DIGEST)}
)


def test_what_is_written_is_read():
    assert parse_root(ROOT.to_bytes(), "s3://x") == ROOT
    text = '{"rows": 1}'
    digest = "04f3ed1adb0bd1f2b3d3c0b4f4a2ba5d3d9b5f7a2fa1e5d0b6d5a8b5a2f1c3d4"
    files = {PART: File(5, DIGEST)}
    assert parse_listing(encode_listing(files), section_of(PART), "s3://x") == files
    wrong = json.dumps({PART: [len(text), digest, text]}).encode()
    with pytest.raises(DataError, match="does not have its digest"):
        parse_listing(wrong, section_of(PART), "s3://x")


@pytest.mark.parametrize(
    "path",
    [
        "lake/../../x.parquet",
        "/lake/x/y.parquet",
        "lake//x.parquet",
        "lake/x/./y.parquet",
        "lake/.hidden/y.parquet",
        "models/x.parquet",
        "lake",
        "",
        "lake/segments/venue=okx/00000001-candles_1m.parquet",
        "reference/files-okx.json",
        "journal.db",
        "lake/x\0/y",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(path):
    assert not is_published(path)
    with pytest.raises(DataError, match=r"the listing of lake/x in s3://x cannot be read"):
        parse_listing(json.dumps({path: [1, DIGEST]}).encode(), "lake/x", "s3://x")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"number": 0},
        {"published_at": "2025-01-01T00:00:00"},
        {"published_at": None},
        {"sections": []},
        {"sections": {"lake/x": [1]}},
        {"sections": {"lake/x": [-1, DIGEST]}},
        {"sections": {"lake/x": [1, "../x"]}},
        {"sections": {"lake/x": [1 << 40, DIGEST]}},
    ],
)
def test_roots_that_are_none_are_refused(change):
    content = json.dumps(json.loads(ROOT.to_bytes()) | change).encode()
    with pytest.raises(DataError, match=r"published.json of s3://x cannot be read"):
        parse_root(content, "s3://x")
    for torn in (b"", b"{", content[:-5], b"[]", b"\xff"):
        with pytest.raises(DataError, match="cannot be read"):
            parse_root(torn, "s3://x")


def test_a_section_is_a_dataset_or_view_of_a_month():
    assert section_of(PART) == "lake/index_1h/month=2025-01"
    assert section_of("features/pair_hourly/month=2025-01/a.parquet") == "features/pair_hourly/month=2025-01"
    assert section_of("features/inputs.json") == "features"
    assert section_of("reference/universes/x.parquet") == "reference/universes"
    assert section_of("settings.json") == "settings.json"
