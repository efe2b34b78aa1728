#!/usr/bin/env python3
"""Gather the words that people read into the catalogues of config/locale, and compile them.

Run it after marking or changing a string, translate what is new in the .po files, and run
it again: `make messages`. It needs GNU gettext, which the product itself does not.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import django
from django.core.management import call_command
from django.core.management.commands.makemessages import Command

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ["de"]
NOT_OURS = ["data/*", "deploy/*", "docs/*", "static/vendor/*", "tests/*"]
# How the code calls gettext_lazy and gettext_noop beside _.
ALSO_MARK = ["--keyword=lazy", "--keyword=later", "--keyword=named"]
# It would change with every run, and nothing reads it.
TIME = re.compile(r'^"POT-Creation-Date: .*\n', re.MULTILINE)


def gather(domain: str, extensions: list[str]) -> None:
    makemessages = Command()
    makemessages.xgettext_options = [*Command.xgettext_options, *ALSO_MARK]
    call_command(
        makemessages,
        locale=LANGUAGES,
        domain=domain,
        extensions=extensions,
        ignore_patterns=NOT_OURS,
        add_location="file",
        no_obsolete=True,
        verbosity=0,
    )


def main() -> None:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    gather("django", ["html", "py"])
    gather("djangojs", ["js"])
    for catalogue in (ROOT / "config" / "locale").rglob("*.po"):
        catalogue.write_text(TIME.sub("", catalogue.read_text("utf-8")), "utf-8")
    call_command("compilemessages", verbosity=0)


if __name__ == "__main__":
    main()
