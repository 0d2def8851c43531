"""A model's files: which there may be, and one digest over all of them."""

import os
import shlex
import socket
import stat
import unicodedata

import pytest

from model_registry.files import MODEL_MAX_BYTES, NOTE_MAX_BYTES, model_digest, read_model_files, verify_model
from pairity.digest import digest_bytes, digest_parts
from pairity.errors import ModelIntegrityError, RegistryError
from pairity.layout import Layout

MODEL_ID = "m-" + "0" * 32


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "home")


@pytest.fixture
def folder(layout):
    folder = layout.mlflow / "artifacts" / "models" / MODEL_ID / "artifacts"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors:\n")
    (folder / "model.skops").write_bytes(b"\x00\x01")
    return folder


def digest(layout):
    return model_digest(read_model_files(layout, MODEL_ID))


def test_the_digest_depends_on_names_and_contents_only(layout, folder):
    first = digest(layout)
    assert first == digest_parts((path.name, digest_bytes(path.read_bytes())) for path in folder.iterdir())
    for path in sorted(folder.iterdir(), reverse=True):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        path.chmod(0o600)
    assert digest(layout) == first
    (folder / "MLmodel").rename(folder / "conda.yaml")
    assert digest(layout) != first


def test_the_bytes_are_those_of_the_files_read_once(layout, folder):
    files = read_model_files(layout, MODEL_ID)
    (folder / "model.skops").write_bytes(b"changed")
    assert (files.model, files.contents, files.folder) == (
        b"\x00\x01",
        {"MLmodel": b"flavors:\n", "model.skops": b"\x00\x01"},
        folder,
    )
    verify_model(files, model_digest(files))


@pytest.mark.parametrize("damage", [b"\x00\x02", b"\x00", b""])
@pytest.mark.parametrize("name", ["model.skops", "MLmodel"])
def test_a_changed_model_is_refused(layout, folder, damage, name):
    registered = digest(layout)
    (folder / name).write_bytes(damage)
    with pytest.raises(ModelIntegrityError, match="is not the one that was registered"):
        verify_model(read_model_files(layout, MODEL_ID), registered)


def test_a_folder_without_a_model_is_none(layout, folder):
    (folder / "model.skops").unlink()
    with pytest.raises(ModelIntegrityError, match=r"no model files .*model\.skops is not there"):
        read_model_files(layout, MODEL_ID)
    with pytest.raises(FileNotFoundError):
        read_model_files(layout, "m-" + "1" * 32)


@pytest.mark.parametrize(
    "name",
    [
        "model.pkl",
        "MODEL.PICKLE",
        "x.joblib",
        "evil.py",
        "Model.skops",
        "MODEL.SKOPS",
        "MLmodel ",
        "mlmodel",
        "model.skops.bak",
        ".model.skops",
        "requirements.txt\n",
        "m\u043edel.skops",  # a Cyrillic letter
        "\ufb01le",
        unicodedata.normalize("NFD", "r\u00e9quirements.txt"),
        "a" * 250,
        "'; rm -rf ~; '",
    ],
)
def test_trap_16_only_known_names_are_files_of_a_model(layout, folder, name):
    (folder / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ModelIntegrityError, match="is no file of a model"):
        read_model_files(layout, MODEL_ID)


def test_a_name_that_is_no_text_is_told_as_text(layout, folder):
    with open(os.fsencode(folder) + b"/\xff\x1b[31m\n", "wb"):
        pass
    with pytest.raises(ModelIntegrityError, match="is no file of a model") as caught:
        read_model_files(layout, MODEL_ID)
    assert caught.value.what.isprintable()
    caught.value.what.encode()


def test_a_data_directory_that_is_none_is_named(tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(RegistryError, match="home is no plain folder"):
        read_model_files(Layout(tmp_path / "home"), MODEL_ID)


def test_what_earlier_versions_let_mlflow_write_is_named_with_the_remedy(layout, folder):
    before = digest(layout)
    (folder / "registered_model_meta").write_text("model_name: null\n")
    with pytest.raises(ModelIntegrityError, match="MLflow wrote it") as caught:
        read_model_files(layout, MODEL_ID)
    assert f"rm {shlex.quote(str(folder / 'registered_model_meta'))}" in caught.value.remedy
    (folder / "registered_model_meta").unlink()
    assert digest(layout) == before


def link_file(folder):
    outside = folder.parent / "outside"
    outside.write_bytes(b"\x00\x01")
    (folder / "model.skops").unlink()
    (folder / "model.skops").symlink_to(outside)


def link_device(folder):
    (folder / "conda.yaml").symlink_to("/dev/zero")


def make_pipe(folder):
    os.mkfifo(folder / "requirements.txt")


def make_socket(folder):
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(folder)  # the name of a socket is at most 107 characters long
        try:
            server.bind("python_env.yaml")
        finally:
            os.chdir(here)


def make_device(folder):
    try:
        os.mknod(folder / "conda.yaml", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")


def make_folder(folder):
    (folder / "conda.yaml").mkdir()


def nest_folders(folder):
    deep = folder / "code"
    for _ in range(60):
        deep = deep / "deeper"
    deep.mkdir(parents=True)
    (deep / "evil.py").write_text("raise SystemExit")


def link_above(level):
    def change(folder):
        inner = [folder, folder.parent, folder.parent.parent, folder.parents[2], folder.parents[3]][level]
        moved = inner.with_name("moved")
        inner.rename(moved)
        inner.symlink_to(moved)

    return change


def make_sparse(name, size):
    def change(folder):
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return change


def fill(folder):
    for number in range(2100):
        (folder / f"file{number}").touch()


def file_for_folder(folder):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_bytes(b"")


REFUSED = {
    "a link": (link_file, "is a link, not a plain file"),
    "a link to a device": (link_device, "is a link"),
    "a pipe": (make_pipe, "is a pipe"),
    "a socket": (make_socket, "is a socket"),
    "a device": (make_device, "is a device"),
    "a folder": (make_folder, "is a folder"),
    "deep folders": (nest_folders, "is no file of a model"),
    "the folder is a link": (link_above(0), "is no plain folder"),
    "the folder above is a link": (link_above(1), "is no plain folder"),
    "the folder of models is a link": (link_above(2), "is no plain folder"),
    "the store is a link": (link_above(3), "is no plain folder"),
    "MLflow's folder is a link": (link_above(4), "is no plain folder"),
    "a file for a folder": (file_for_folder, "is no plain folder"),
    "a huge model": (make_sparse("model.skops", MODEL_MAX_BYTES + 1), "is too large: 536870913 bytes"),
    "a huge note": (make_sparse("MLmodel", NOTE_MAX_BYTES + 1), "is too large"),
    "a file without end": (make_sparse("MLmodel", 1 << 42), "is too large"),
    "many files": (fill, "more than 2000 files"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_plain_file_of_a_plain_folder_is_refused_at_once(layout, folder, what):
    change, words = REFUSED[what]
    change(folder)
    with pytest.raises(RegistryError, match=words) as caught:
        read_model_files(layout, MODEL_ID)
    assert caught.value.remedy


def test_a_second_name_of_a_file_is_as_good_as_the_first(layout, folder):
    """The bytes are what counts: backups made of hard links stay models."""
    before = digest(layout)
    os.link(folder / "model.skops", folder.parent / "backup")
    assert digest(layout) == before
    (folder.parent / "backup").write_bytes(b"changed by its other name")
    assert digest(layout) != before


def test_the_data_directory_may_be_reached_through_links(layout, folder, tmp_path):
    (tmp_path / "link").symlink_to(layout.root)
    assert digest(Layout(tmp_path / "link")) == digest(layout)


@pytest.mark.parametrize("part", ["..", ".", "", "a/b", "../../..", "m\0"])
def test_a_part_of_a_path_is_one_name(layout, folder, part):
    with pytest.raises(RegistryError, match="is no name of a folder"):
        read_model_files(layout, part)
