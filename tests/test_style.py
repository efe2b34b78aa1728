"""The house rules that a linter does not know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("config", "chat", "runs", "deploy")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

WRITES = ("create", "bulk_create", "get_or_create", "update_or_create", "update")
FORM_OR_INSERT = {"update_fields", "force_insert", "commit"}


def python_files(*folders: str) -> list[Path]:
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [path for path in sorted(files) if "migrations" not in path.parts]


def source_files() -> list[Path]:
    """What is written by hand: Python, scripts and templates."""
    files = python_files(*PRODUCT, "tests")
    for folder, ending in (("static", "js"), ("templates", "html")):
        files += sorted((ROOT / folder).rglob(f"*.{ending}"))
    return [path for path in files if "vendor" not in path.parts]


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node


def place(path: Path, node: ast.stmt | ast.expr) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def is_whole_save(call: ast.Call) -> bool:
    """x.save() of a row; super().save() and the saving of a form are not meant."""
    assert isinstance(call.func, ast.Attribute)
    named = {keyword.arg for keyword in call.keywords}
    is_super = ast.unparse(call.func.value) == "super()"
    return call.func.attr == "save" and not (is_super or named & FORM_OR_INSERT)


def test_no_file_is_longer_than_400_lines():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in source_files()
    }
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


@pytest.mark.parametrize("folder", [*PRODUCT, "tests"])
def test_no_function_is_longer_than_60_lines(folder):
    long = [
        f"{place(path, node)} {node.name}"
        for path in python_files(folder)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_every_save_names_its_columns():
    whole = [
        place(path, call)
        for path in python_files(*PRODUCT)
        for call in calls(path)
        if is_whole_save(call)
    ]
    assert whole == []


def test_the_log_is_written_in_one_place_only():
    writers = {
        str(path.relative_to(ROOT))
        for path in python_files(*PRODUCT)
        for call in calls(path)
        if ast.unparse(call.func).startswith("RunEvent.objects")
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in WRITES
    }
    writers |= {
        str(path.relative_to(ROOT))
        for path in python_files(*PRODUCT)
        if "INTO runs_runevent" in path.read_text("utf-8")
    }
    assert writers == {"runs/events.py", "runs/rows.py"}
    asked_by = {
        str(path.relative_to(ROOT))
        for path in python_files(*PRODUCT)
        if re.search(r"runs\.rows import .*\bstore\b", path.read_text("utf-8"))
    }
    assert asked_by == {"runs/events.py"}
