"""The settings under test: those of production, apart from this machine's own.

No .env, no data folder and no model server of whoever runs the tests takes part.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_folder = tempfile.mkdtemp(prefix="threadmill-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)

for _name in [name for name in os.environ if name.startswith("OPENAI_")]:
    del os.environ[_name]
for _name in ("PUBLIC_URL", "DEBUG", "SECRET_KEY"):
    os.environ.pop(_name, None)
os.environ["ENV_FILE"] = os.devnull
os.environ["AUTO_TITLES"] = "false"  # a request more, which tests of runs count
os.environ["DATA_DIR"] = _folder
# `make test` runs part of the tests once more on a PostgreSQL of its own.
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")

from config.settings import *  # noqa: E402, F403
from config.settings import DATA_DIR, DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in production: threads that share one in memory lock its tables.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    # The test database is dropped at the end, which open connections would prevent.
    DATABASES["default"]["OPTIONS"].pop("pool")

# Hashing is slow on purpose, and every signed-in test would pay for it.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
