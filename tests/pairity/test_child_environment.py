"""What children get: a list of harmless variables, and what they are given on purpose."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.child_environment import make_child_environment, only_allowed_variables
from pairity.code_revision import read_code_revision
from pairity.settings import SECRET_SETTINGS

KEYS = [f"PAIRITY_{section}__{name}".upper() for section, names in SECRET_SETTINGS.items() for name in names]
OF_OTHERS = ["AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "HTTPS_PROXY", "GITHUB_TOKEN", "PAIRITY_EXCHANGE__X"]


@pytest.mark.parametrize("name", [*KEYS, *(name.lower() for name in KEYS), *OF_OTHERS, "PAIRITY_LIVE_TRADING"])
def test_keys_stay_here(monkeypatch, name):
    monkeypatch.setenv(name, "hush-hush")
    assert "hush-hush" not in make_child_environment().values()
    with only_allowed_variables():
        code = "import os; print('hush-hush' in os.environ.values())"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "False\n"
    assert os.environ[name] == "hush-hush"


@given(name=st.from_regex(r"\A[A-Z][A-Z0-9_]{0,20}(KEY|SECRET|TOKEN|PASSWORD|PASSPHRASE|AUTH)\Z"))
def test_no_name_that_sounds_like_a_secret_is_allowed(name):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(name, "hush-hush")
        assert name not in make_child_environment()


def test_a_child_finds_programs_its_home_and_what_it_is_given(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    given = make_child_environment({"PAIRITY_HOME": "/data", "LC_ALL": "C"})
    assert given["PATH"] == os.environ["PATH"]
    assert (given["PAIRITY_HOME"], given["LC_ALL"]) == ("/data", "C")


def test_an_error_inside_the_block_brings_the_variables_back(monkeypatch):
    monkeypatch.setenv(KEYS[0], "hush-hush")
    with pytest.raises(ZeroDivisionError), only_allowed_variables():
        _ = 1 / len(os.environ.get(KEYS[0], ""))
    assert os.environ[KEYS[0]] == "hush-hush"


def test_git_is_asked_without_the_keys(tmp_path, monkeypatch):
    spy = tmp_path / "git"
    spy.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\n")
    spy.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in KEYS:
        monkeypatch.setenv(name, "hush-hush")
    read_code_revision()
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert "hush-hush" not in seen
