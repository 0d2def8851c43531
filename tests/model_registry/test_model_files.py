import pytest

from model_registry.files import model_digest, verify_model
from pairity.errors import ModelIntegrityError


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "MLmodel").write_text("flavors:\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "model.skops").write_bytes(b"\x00\x01")
    return tmp_path


def test_the_digest_depends_on_names_and_contents_only(directory, tmp_path_factory):
    digest = model_digest(directory)
    copy = tmp_path_factory.mktemp("copy")
    (copy / "data").mkdir()
    (copy / "data" / "model.skops").write_bytes(b"\x00\x01")
    (copy / "MLmodel").write_text("flavors:\n")
    assert model_digest(copy) == digest
    (copy / "data" / "model.skops").rename(copy / "model.skops")
    assert model_digest(copy) != digest


def test_what_mlflow_writes_when_it_reads_does_not_count(directory):
    digest = model_digest(directory)
    (directory / "registered_model_meta").write_text("model_name: x\n")
    assert model_digest(directory) == digest
    verify_model(directory, digest)


@pytest.mark.parametrize("damage", [b"\x00\x02", b"\x00", b""])
def test_a_changed_model_is_refused(directory, damage):
    digest = model_digest(directory)
    (directory / "data" / "model.skops").write_bytes(damage)
    with pytest.raises(ModelIntegrityError, match="is not the one that was registered"):
        verify_model(directory, digest)


def test_an_added_file_is_refused(directory):
    digest = model_digest(directory)
    (directory / "extra.py").write_text("import os\n")
    with pytest.raises(ModelIntegrityError):
        verify_model(directory, digest)


def test_an_empty_directory_is_no_model(tmp_path):
    with pytest.raises(ModelIntegrityError, match="no model files"):
        model_digest(tmp_path)


@pytest.mark.parametrize("name", ["model.pkl", "MODEL.PICKLE", "x.joblib"])
def test_trap_16_a_pickle_is_refused_before_anything_reads_it(directory, name):
    (directory / name).write_bytes(b"cos\nsystem\n")
    with pytest.raises(ModelIntegrityError, match="is a pickle"):
        model_digest(directory)
