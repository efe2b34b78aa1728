"""What one installation has of its own: its data folder, its key, its static files."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def private_folder(name: str) -> Path:
    """The data folder, made with mode 0700 when it is missing."""
    path = Path(name).expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"DATA_DIR {path} cannot be made: {error.strerror}."
        raise ImproperlyConfigured(message) from error
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ImproperlyConfigured(f"DATA_DIR {path} cannot be written to.")
    return path


def private_file(path: Path) -> Path:
    """The file, made empty with mode 0600 when it is missing; SQLite fills it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        message = f"DATA_DIR: {path} cannot be written to: {error.strerror}."
        raise ImproperlyConfigured(message) from error
    return path


def secret_key(given: str, folder: Path) -> str:
    """The given key, or the one kept in the folder; a guessable one is refused."""
    key = given or _kept_key(folder / "secret_key")
    if len(key) < 50 or len(set(key)) < 5 or key.startswith("django-insecure-"):
        raise ImproperlyConfigured(
            "SECRET_KEY must be at least 50 random characters. "
            "Leave it out, and one is made and kept in DATA_DIR."
        )
    return key


def static_version(folder: Path, pins: Path, words: Iterable[Path] = ()) -> str:
    """A name that changes with any static file, ours or an installed package's, and with
    the catalogues that the scripts' words come from.

    It stands in the address of every static file, so that modules which import each
    other by relative path are always of one version and may be kept for ever. It is made
    from contents, so that all machines with the same files agree on it.
    """
    digest = hashlib.sha256(pins.read_bytes() if pins.exists() else b"")
    for path in sorted(words):
        digest.update(path.read_bytes())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def _kept_key(path: Path) -> str:
    """The secret key in a file, made with mode 0600 when it is missing.

    O_EXCL lets exactly one of several processes that start at once make the file; the
    others wait for what that one writes.
    """
    try:
        if not path.exists():
            _write_key(path)
        return _written_key(path)
    except OSError as error:
        message = f"SECRET_KEY cannot be kept in {path}: {error.strerror}."
        raise ImproperlyConfigured(message) from error


def _write_key(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(64))


def _written_key(path: Path, patience: float = 2.0) -> str:
    """The file's content once there is some; `patience` is in seconds."""
    deadline = time.monotonic() + patience
    while not (key := path.read_text("utf-8").strip()):
        if time.monotonic() > deadline:
            raise ImproperlyConfigured(f"SECRET_KEY: {path} is empty. Remove it.")
        time.sleep(0.01)
    return key
