"""Settings of all tests."""

import atexit
import os
import shutil
import tempfile

from hypothesis import settings

# A timing is never a test: a busy machine must not fail one.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Tests sign with a key of their own, and processes that they start with the same one: never with that of whoever runs
# them. Each process of pytest has another one.
_KEY_FOLDER = tempfile.mkdtemp(prefix="pairity-tests-")
atexit.register(shutil.rmtree, _KEY_FOLDER, ignore_errors=True)
os.environ["PAIRITY_SIGNING_KEY"] = f"{_KEY_FOLDER}/key/signing.key"
