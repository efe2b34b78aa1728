"""The pinned lists hold what pyproject.toml asks for: `make run` installs nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME = re.compile(r"[A-Za-z0-9._-]+")


def pinned(list_name: str) -> set[str]:
    lines = (ROOT / list_name).read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0].partition("[")[0] for line in lines if "==" in line}


def names(wanted: list[str]) -> set[str]:
    return {match[0] for item in wanted if (match := NAME.match(item))}


@pytest.mark.parametrize(
    ("list_name", "wanted"),
    [
        ("requirements.txt", PROJECT["project"]["dependencies"]),
        ("requirements-dev.txt", PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_all_that_is_asked_for_is_pinned(list_name: str, wanted: list[str]) -> None:
    assert names(wanted) - pinned(list_name) == set()


@pytest.mark.parametrize("list_name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lists_name_no_place_that_packages_come_from(list_name: str) -> None:
    text = (ROOT / list_name).read_text(encoding="utf-8")
    assert not re.search(r"--(index-url|extra-index-url|find-links)|https?://", text)
