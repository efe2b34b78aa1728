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
os.environ["DATA_DIR"] = _folder

from config.settings import *  # noqa: E402, F403
from config.settings import DATA_DIR, DATABASES  # noqa: E402

# A file, as in production: threads that share a database in memory lock its tables.
DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}

# Hashing is slow on purpose, and every signed-in test would pay for it.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
