"""README.md names everything that can be set, and everything that a log can hold."""

from __future__ import annotations

import re
from pathlib import Path

from runs.models import EventType

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
READER = re.compile(
    r"environment\.(?:text|number|flag|choice|address|origin|postgresql)\(\s*\"(\w+)\""
)


def documented(text: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", text))


def test_every_variable_that_the_settings_read_is_documented():
    settings = (ROOT / "config" / "settings.py").read_text("utf-8")
    variables = set(READER.findall(settings)) | {"ENV_FILE"}

    assert len(variables) > 10
    assert variables - documented(README) == set()


def test_every_variable_in_the_table_is_read():
    settings = (ROOT / "config" / "settings.py").read_text("utf-8")
    table = README.split("## Settings")[1].split("\n## ")[0]
    rows = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))

    assert rows == set(READER.findall(settings)) | {"ENV_FILE"}


def test_every_event_type_is_documented():
    assert set(EventType.values) - documented(README) == set()


def test_every_make_target_is_documented():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert {f"make {name}" for name in targets} - set(
        re.findall(r"make [a-z]+", README)
    ) == set()
