#!/usr/bin/env python3
"""Runs one command of the site: serve, migrate, createsuperuser, check, ...

Every Python must be able to read this file, because it is the one that tells an old
Python that it is too old. Hence types in comments, no future import and no f-string.
"""

import os
import sys


def fail(message):
    # type: (str) -> None
    """Ends the process with status 1 and one line on stderr."""
    sys.exit("Threadmill cannot start: " + " ".join(message.split()))


def require_python():
    # type: () -> None
    if sys.version_info < (3, 11):
        found = ".".join(str(part) for part in sys.version_info[:3])
        fail("it needs Python 3.11 or newer, and this is Python " + found + ".")


def require_django():
    # type: () -> None
    try:
        import django  # noqa: F401, PLC0415
    except ImportError:
        fail(
            "Django is not installed in this Python. Use `make run`, or see README.md."
        )


def main():
    # type: () -> None
    require_python()
    require_django()
    from django.conf import settings  # noqa: PLC0415
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        settings.SECRET_KEY  # noqa: B018 - loads the settings, where the error is whole
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
