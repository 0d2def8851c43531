"""A known secret is replaced in every form; the guard of a process holds for logs, crashes and children."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import PairityError, UnknownNameError
from pairity.process_guard import RedactingStream, redact_record
from pairity.redaction import learn_secrets, list_forms, redact

HUSH = 'Hu5h/"77c1\\0f3e+Qx ü&<z'
learn_secrets([HUSH])

FORMS = {
    "raw": lambda text: text,
    "json": lambda text: json.dumps({"msg": text}),
    "json in json": lambda text: json.dumps({"msg": text}, ensure_ascii=False),
    "python": lambda text: repr({"msg": [text]}),
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode()),
    "url": lambda text: f"https://x/?{urlencode({'token': text})}",
    "url path": lambda text: f"https://x/{quote(text)}",
    "url strict": lambda text: quote(text, safe=""),
    "url form": quote_plus,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "html": html.escape,
}


def leaks(secret: str, said: str) -> bool:
    """Whether a secret can be read in a text: six of its signs in a row, in the form that was written."""
    return any(form[at : at + 12] in said for form in (secret,) for at in range(max(len(form) - 11, 1)))


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_replaced_in_every_form(form):
    written = FORMS[form](HUSH)
    shown = redact(f"before {written} after")
    assert written not in shown
    assert "***" in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=40),
    before=st.binary(max_size=7),
    after=st.binary(max_size=7),
)
def test_base64_hides_a_secret_at_any_place(secret, before, after):
    raw = secret.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        written = encode(before + raw + after).decode()
        found = [form for form in list_forms(secret) if form in written]
        assert found, (secret, before, after)
        # what is left of it on either side is less than a byte
        assert max(map(len, found)) >= (len(raw) * 8 - 10) // 6


@given(
    secret=st.text(min_size=6, max_size=30).filter(lambda text: len(text.strip()) >= 6),
    form=st.sampled_from(list(FORMS)),
)
def test_whatever_the_secret_it_is_replaced(secret, form):
    written = FORMS[form](secret)
    assert any(known in written for known in list_forms(secret))


def test_words_are_no_secrets():
    learn_secrets(["paper", "", "a", "12345"])
    assert redact("the paper exchange: 12345, a") == "the paper exchange: 12345, a"


def test_errors_are_redacted_whoever_composes_them():
    error = PairityError(f"the venue said {HUSH}", f"do not send {quote(HUSH)}")
    assert HUSH not in str(error) + repr(error) + error.what
    assert quote(HUSH) not in error.remedy
    assert HUSH not in str(UnknownNameError("setting", HUSH, ["a", "b"]))


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (f"headers {HUSH}", ()),
        ("headers %s", (HUSH,)),
        ("headers %(key)s", ({"key": HUSH},)),
        ("headers %s", ({"OK-ACCESS-KEY": HUSH},)),
        ("url %s", (f"https://x/?key={quote_plus(HUSH)}",)),
        ("two %s", (HUSH, HUSH)),
        ("number %d", (HUSH,)),
        ("%", (HUSH,)),
    ],
)
def test_a_record_is_redacted_before_any_handler_has_it(message, arguments):
    record = logging.LogRecord("ccxt", logging.DEBUG, __file__, 1, message, arguments, None)
    shown = logging.Formatter().format(redact_record(record))
    assert HUSH not in shown
    assert HUSH not in str(vars(record)["args"])
    assert quote_plus(HUSH) not in shown


def test_tracebacks_in_records_are_redacted():
    try:
        raise ValueError(HUSH)
    except ValueError:
        record = logging.LogRecord("x", 10, __file__, 1, "failed", (), sys.exc_info(), sinfo=f"stack {HUSH}")
    shown = logging.Formatter().format(redact_record(record))
    assert "ValueError: ***" in shown
    assert HUSH not in shown


def test_harmless_records_and_streams_stay_as_they_are():
    record = logging.LogRecord("x", 10, __file__, 1, "%s of %d", ("one", 2), None)
    assert redact_record(record).args == ("one", 2)
    stream = io.StringIO()
    assert RedactingStream(stream).write(f"a {HUSH}\n") == len(HUSH) + 3
    RedactingStream(stream).writelines(["b\n", f"{HUSH}\n"])
    assert stream.getvalue() == "a ***\nb\n***\n"
    assert RedactingStream(stream).getvalue() == stream.getvalue()


KEYS = {f"PAIRITY_EXCHANGE__API_{name}": f"Hu5h77c1{name}0f3eQx" for name in ("KEY", "SECRET", "PASSPHRASE")}
ROOT = Path(__file__).parents[2]
FAULTS = {
    "a crash": "raise RuntimeError(secret)",
    "a chain": "try:\n    int(secret)\nexcept ValueError as error:\n    raise RuntimeError('x') from error",
    "a group": "raise ExceptionGroup(secret, [ValueError(secret)])",
    "a note": "error = ValueError('x'); error.add_note(secret); raise error",
    "a thread": "import threading\nt = threading.Thread(target=lambda: int(secret)); t.start(); t.join()",
    "a finaliser": "class Bad:\n    def __del__(self):\n        raise ValueError(secret)\nBad()",
    "a task": "import asyncio\nasync def job():\n    raise ValueError(secret)\n"
    "async def main():\n    task = asyncio.create_task(job(), name=secret)\n    await asyncio.sleep(0.01)\n"
    "    del task\n    import gc; gc.collect()\nasyncio.run(main())",
    "a callback": "import asyncio\nasync def main():\n    asyncio.get_running_loop().call_soon(int, secret)\n"
    "    await asyncio.sleep(0.01)\nasyncio.run(main())",
    "a log": "import logging\nlogging.basicConfig(level=10)\nlogging.getLogger('urllib3').debug('GET %s', secret)",
    "a library's handler": "import logging\nlog = logging.getLogger('lib'); log.propagate = False\n"
    "log.addHandler(logging.StreamHandler()); log.error('key %r', {'key': secret})",
    "a logged crash": "import logging\ntry:\n    int(secret)\nexcept ValueError:\n    logging.exception('failed')",
    "the last resort": "import logging\nlogging.getLogger('x').warning(secret)",
    "a warning": "import warnings\nwarnings.warn(secret)",
    "a print": "print('key', secret, [secret], secret.encode().hex())",
    "an exit": "sys.exit(secret)",
    "click": "import click\nclick.echo('key ' + secret)\nclick.echo('key ' + secret, err=True)",
    "click in ASCII": "import click, io\nsys.stdout.reconfigure(encoding='ascii')\n"
    "click.echo('key ' + secret)\nclick.echo(secret.encode())",
    "bytes": "sys.stdout.buffer.write(b'key ' + secret.encode()); sys.stdout.flush()",
    "rich": "from rich.console import Console\nConsole(stderr=True).print('key', secret)",
    "a child": "import subprocess\nsubprocess.run(['env'], check=True)",
    "a child of a library": "import multiprocessing\nif __name__ == '__main__':\n"
    "    import os\n    print(sorted(os.environ.items()))",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_guarded_process_lets_no_key_out(tmp_path, fault):
    code = """
        import os, sys
        secret = os.environ["PAIRITY_EXCHANGE__API_SECRET"]
        from pairity.process_guard import guard_process
        guard_process()
    """
    program = tmp_path / "program.py"
    program.write_text(f"{textwrap.dedent(code)}\n{FAULTS[fault]}\n")
    done = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, **KEYS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert said
    for value in KEYS.values():
        assert not leaks(value, said), said
        assert value.encode().hex() not in said


def test_a_guarded_process_makes_private_files_and_no_core(tmp_path):
    code = """
        import os, resource
        from pathlib import Path
        from pairity.process_guard import guard_process
        from pairity.configuration import load_settings
        guard_process(); guard_process()
        Path("made").touch(); Path("folder").mkdir()
        print(oct(os.stat("made").st_mode & 0o777), oct(os.stat("folder").st_mode & 0o777))
        print(resource.getrlimit(resource.RLIMIT_CORE))
        print([name for name in os.environ if "API" in name])
        found = load_settings().exchange
        print(all((found.api_key, found.api_secret, found.api_passphrase)))
    """
    done = subprocess.run(
        ["sh", "-c", 'umask 000; exec "$0" -c "$1"', sys.executable, textwrap.dedent(code)],
        cwd=tmp_path,
        env={**os.environ, **KEYS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["0o600 0o700", "(0, 0)", "[]", "True"]
