"""`make audit`: what it looks up, and that no answer never passes for a good one."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("audit", ROOT / "tools" / "audit.py")
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

LOCK = """# made by make lock
alpha==1.0 \\
    --hash=sha256:00
    # via beta
beta-x==2.0 ; sys_platform == 'darwin' \\
    --hash=sha256:01
beta-x==3.0.post1 ; sys_platform != 'darwin' \\
    --hash=sha256:02
"""


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


def program(tmp_path, body):
    """A program in place of pip-audit: it gets the same arguments, and `versions` and `answer` from them."""
    path = tmp_path / "pip_audit_like.py"
    path.write_text(
        "import json, sys\nfrom pathlib import Path\narguments = sys.argv\n"
        "versions = Path(arguments[arguments.index('--requirement') + 1]).read_text().split()\n"
        "answer = Path(arguments[arguments.index('--output') + 1])\n" + body
    )
    return (sys.executable, str(path))


def answering(vulns, skip=()):
    return (
        "rows = [dict(zip(('name', 'version'), line.split('=='))) for line in versions]\n"
        f"vulns, skip = {json.dumps(vulns)}, {skip!r}\n"
        "for row in rows:\n"
        "    known = {'vulns': vulns if row['name'] == 'alpha' else []}\n"
        "    row |= {'skip_reason': 'x'} if row['name'] in skip else known\n"
        "answer.write_text(json.dumps({'dependencies': rows}))\n"
    )


def test_every_version_of_the_lock_is_looked_up_whatever_its_platform():
    assert audit.list_versions(LOCK) == [{"alpha": "1.0", "beta-x": "2.0"}, {"beta-x": "3.0.post1"}]
    whole = (ROOT / "requirements.lock").read_text()
    assert sum(map(len, audit.list_versions(whole))) == sum(
        "==" in line and line[0].isalnum() for line in whole.splitlines()
    )


def test_nothing_known_is_success(lock, tmp_path, capsys):
    assert audit.main(lock, program(tmp_path, answering([]))) == 0
    assert "3 of 3 versions of requirements.lock checked: 0 known vulnerabilities" in capsys.readouterr().out


def test_a_known_flaw_is_named_and_fails(lock, tmp_path, capsys):
    flaw = {"id": "PYSEC-1", "fix_versions": ["1.1"]}
    assert audit.main(lock, program(tmp_path, answering([flaw]) + "sys.exit(1)\n")) == audit.VULNERABLE
    assert "alpha 1.0: PYSEC-1, mended in 1.1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "body",
    [
        "sys.stderr.write('ERROR: cannot connect\\n'); sys.exit(1)\n",
        "sys.exit(0)\n",
        "answer.write_text(''); sys.exit(1)\n",
        "answer.write_text('{}')\n",
        "answer.write_text('<html>')\n",
    ],
)
def test_no_answer_is_neither_success_nor_a_flaw(lock, tmp_path, capsys, body):
    assert audit.main(lock, program(tmp_path, body)) == audit.NOT_CHECKED
    assert "not checked: the database cannot be reached" in capsys.readouterr().err


def test_what_the_database_does_not_know_is_not_checked(lock, tmp_path, capsys):
    assert audit.main(lock, program(tmp_path, answering([], ("beta-x",)))) == audit.NOT_CHECKED
    assert "does not know beta-x" in capsys.readouterr().err


def test_a_database_that_knows_nothing_was_not_reached(lock, tmp_path, capsys):
    assert audit.main(lock, program(tmp_path, answering([], ("alpha", "beta-x")))) == audit.NOT_CHECKED
    said = capsys.readouterr()
    assert "not checked: the database cannot be reached (it knows none of 3 versions)" in said.err
    assert "0 known" not in said.out
