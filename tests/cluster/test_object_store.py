"""Snapshots in an S3-compatible store: whole or not there, never replaced, checked on the way back."""

from __future__ import annotations

import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from feature_repo.object_store import open_objects
from ingestion.published import follow
from ingestion.published.directory import read_head
from ingestion.snapshots import find_snapshot, save_snapshot, verify_snapshot
from ingestion.snapshots.object_store import pull_snapshot, push_snapshot
from pairity.errors import ConfigError, DataError, UnknownNameError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings

pytestmark = pytest.mark.cluster
NOW = datetime(2026, 3, 1, tzinfo=UTC)
CONTENTS = {"lake/a/part.parquet": b"a" * 5000, "lake/b/part.parquet": b"a" * 5000, "features/v/x.parquet": b"v"}


class Killed(BaseException):
    """Stands for a process that is killed."""


class Kill(SilentProgress):
    """Progress that kills after some files."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.left -= 1
        if not self.left:
            raise Killed


def make_home(folder, **changed) -> Layout:
    for name, content in (CONTENTS | changed).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return Layout(folder)


@pytest.fixture
def address(variables, tmp_path):
    return f"{variables['PAIRITY_CLUSTER__OBJECT_STORE']}/{tmp_path.parent.name}-{tmp_path.name}"


def test_a_snapshot_comes_back_as_it_was(tmp_path, address):
    home, other = make_home(tmp_path / "home"), Layout(tmp_path / "other")
    saved = save_snapshot(home, "one", SilentProgress(), now=NOW, note="of a test")
    with pytest.raises(Killed):
        push_snapshot(home, saved, address, Kill(2))
    with pytest.raises(UnknownNameError, match="one"):
        pull_snapshot(other, "one", address, SilentProgress())
    assert push_snapshot(home, saved, address, SilentProgress()) == 1, "what the killed push had written is there"
    assert push_snapshot(home, saved, address, SilentProgress()) == 0, "the same again changes nothing"
    with pytest.raises(Killed):
        pull_snapshot(other, "one", address, Kill(1))
    assert list(other.snapshots.iterdir()) == []
    pulled = pull_snapshot(other, "one", address, SilentProgress())
    assert (pulled.digest, pulled.saved_at, pulled.note) == (saved.digest, NOW, "of a test")
    found = verify_snapshot(other, find_snapshot(other, "one"), SilentProgress())
    assert [*found.missing, *found.changed, *found.extra] == []
    with pytest.raises(UnknownNameError, match="one"):
        pull_snapshot(other, "two", address, SilentProgress())


def test_a_name_is_never_given_to_other_content(tmp_path, address):
    first, second = (make_home(tmp_path / name, **{"lake/a/part.parquet": name.encode()}) for name in ("x", "y"))
    for home in (first, second):
        save_snapshot(home, "one", SilentProgress(), now=NOW)
    push_snapshot(first, find_snapshot(first, "one"), address, SilentProgress())
    with pytest.raises(ConfigError, match="has another snapshot 'one' already"):
        push_snapshot(second, find_snapshot(second, "one"), address, SilentProgress())


def test_what_is_damaged_there_does_not_get_here(tmp_path, address):
    home, other = make_home(tmp_path / "home"), Layout(tmp_path / "other")
    saved = save_snapshot(home, "one", SilentProgress(), now=NOW)
    push_snapshot(home, saved, address, SilentProgress())
    import obstore  # of the extra: this module is read where it is not installed

    digest = saved.files["features/v/x.parquet"].sha256
    store = obstore.store.from_url(address)
    obstore.put(store, f"objects/{digest[:2]}/{digest}", b"w")
    with pytest.raises(DataError, match=r"features/v/x\.parquet of snapshot 'one' is damaged"):
        pull_snapshot(other, "one", address, SilentProgress())
    obstore.delete(store, f"objects/{digest[:2]}/{digest}")
    with pytest.raises(DataError, match=r"lacks features/v/x\.parquet"):
        pull_snapshot(other, "one", address, SilentProgress())
    assert list(other.snapshots.iterdir()) == []


def test_what_is_larger_than_the_record_says_is_not_read(tmp_path, address, monkeypatch):
    home, other = make_home(tmp_path / "home"), Layout(tmp_path / "other")
    saved = save_snapshot(home, "one", SilentProgress(), now=NOW)
    push_snapshot(home, saved, address, SilentProgress())
    import obstore  # of the extra: this module is read where it is not installed

    digest = saved.files["features/v/x.parquet"].sha256
    store = obstore.store.from_url(address)
    obstore.put(store, f"objects/{digest[:2]}/{digest}", b"w" * (32 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"features/v/x\.parquet of snapshot 'one' is damaged"):
            pull_snapshot(other, "one", address, SilentProgress())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    monkeypatch.setattr("ingestion.snapshots.object_store._LARGEST_RECORD", 100)
    with pytest.raises(DataError, match=r"the record of snapshot .one. in s3://.* has more than 100 bytes"):
        pull_snapshot(other, "one", address, SilentProgress())
    assert list(other.snapshots.iterdir()) == []


class Liar:
    """A store that says of an object that it is small, and sends more."""

    meta: ClassVar = {"size": 1, "e_tag": "x"}

    def stream(self, **_):
        yield from (b"w" * 10 for _ in range(10))


def test_what_a_store_says_of_a_size_is_not_believed(variables, monkeypatch):
    import obstore  # of the extra: this module is read where it is not installed

    monkeypatch.setattr(obstore, "get", lambda *_: Liar())
    store = open_objects("s3://pairity/any")
    assert store.read("objects/x", 99) is None
    assert store.read("objects/x", 100) == (b"w" * 100, "x")


def test_a_store_that_is_not_there_is_named(tmp_path, address, monkeypatch):
    home = make_home(tmp_path / "home")
    saved = save_snapshot(home, "one", SilentProgress(), now=NOW)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("feature_repo.object_store.TRIES", 0)
    with pytest.raises(DataError, match=r"the object store s3://pairity/.* cannot be used"):
        push_snapshot(home, saved, address, SilentProgress())


def test_a_bucket_that_does_not_exist_is_named(tmp_path, variables):
    address = "s3://nobody-made-it/x"
    objects = open_objects(address)
    home, other = make_home(tmp_path / "home"), Layout(tmp_path / "other")
    saved = save_snapshot(home, "one", SilentProgress(), now=NOW)
    (tmp_path / "file").write_bytes(b"x")
    lake = Settings(home=tmp_path / "new", cluster={"lake": address})
    for ask in (
        lambda: objects.read("x", 9),
        lambda: objects.create("x", b"x"),
        lambda: objects.create("x", tmp_path / "file"),
        lambda: objects.replace("x", b"x", None),
        lambda: objects.replace("x", b"x", "tag"),
        lambda: list(objects.list("x")),
        lambda: objects.delete(["x"]),
        lambda: read_head(objects),
        lambda: follow(lake),
        lambda: push_snapshot(home, saved, address, SilentProgress()),
        lambda: pull_snapshot(other, "one", address, SilentProgress()),
    ):
        with pytest.raises(DataError, match=r"s3://nobody-made-it/x cannot be used: it has no bucket 'nobody-made-it'"):
            ask()
    with pytest.raises(DataError) as refused:
        read_head(objects)
    assert "correct cluster.lake (of snapshots: cluster.object_store)" in refused.value.remedy


def test_a_store_that_says_of_no_bucket_only_that_nothing_is_there_is_asked_again(variables, monkeypatch):
    def lacks(*_):
        raise FileNotFoundError("not found: 404")

    import obstore  # of the extra: this module is read where it is not installed

    monkeypatch.setattr(obstore, "get", lacks)
    assert read_head(open_objects("s3://pairity/nothing-published")).root is None
    with pytest.raises(DataError, match="it has no bucket"):
        read_head(open_objects("s3://nobody-made-it/x"))


def test_a_file_of_here_that_is_missing_is_not_taken_for_the_bucket(tmp_path, address):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_objects(address).create("x", tmp_path / "nowhere")


class SlowHandler(BaseHTTPRequestHandler):
    """Takes `pause` seconds for the second half of every object, whichever way it goes."""

    protocol_version = "HTTP/1.1"
    pause: ClassVar = 0.0
    log_message: ClassVar = lambda *_: None

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.send_header("ETag", '"x"')
        self.send_header("Last-Modified", "Mon, 02 Mar 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(b"sl")
        self.wfile.flush()
        time.sleep(self.pause)
        with suppress(OSError):
            self.wfile.write(b"ow")

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.pause)
        with suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.send_header("ETag", '"x"')
            self.end_headers()


@pytest.fixture
def slow(variables, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield open_objects
        server.shutdown()


def test_an_object_may_take_longer_than_half_a_minute(slow, monkeypatch):
    monkeypatch.setattr(SlowHandler, "pause", 33.0)
    objects = slow("s3://pairity/x")
    with ThreadPoolExecutor(2) as pool:
        read = pool.submit(objects.read, "x", 9)
        written = pool.submit(objects.create, "x", b"slow")
        assert (read.result()[0], written.result()) == (b"slow", True)


def test_what_takes_too_long_is_said_to(slow, monkeypatch):
    monkeypatch.setattr(SlowHandler, "pause", 3.0)
    monkeypatch.setattr("feature_repo.object_store.TRIES", 0)
    monkeypatch.setenv("AWS_TIMEOUT", "1s")
    objects = slow("s3://pairity/x")
    for ask in (lambda: objects.read("x", 9), lambda: objects.create("x", b"slow")):
        with pytest.raises(DataError, match="it took too long") as refused:
            ask()
        assert "AWS_TIMEOUT" in refused.value.remedy
