"""The official Node client drives the server; each of its tests is told by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.api.conftest import Site

HERE = Path(__file__).parent / "node"
INSTALLED = HERE / "node_modules"
SECONDS = 100  # for all tests; they need about five
# By itself npm waits five minutes for a registry that is silent, and does so three times.
NPM_OPTIONS = (
    "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline",
    "--fetch-timeout=20000", "--fetch-retries=1",
)  # fmt: skip


def program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is needed to test the official Node client (apt: nodejs npm)"
    return found


@pytest.fixture(scope="session")
def node() -> str:
    """The program, once the packages of the lock file are installed."""
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]["openai"]
    package = INSTALLED / "openai" / "package.json"
    is_there = package.exists() and json.loads(package.read_text())["version"] == pinned
    if not is_there:
        ended = subprocess.run(  # noqa: S603
            [program("npm"), "ci", *NPM_OPTIONS],
            cwd=HERE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert ended.returncode == 0, ended.stderr
    return program("node")


@pytest.mark.timeout(220)
def test_the_official_node_client_works(site: Site, node: str, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    reporter = ["--test-reporter=junit", f"--test-reporter-destination={report}"]
    env = {
        **os.environ,
        "API_URL": site.url,
        "API_KEY": site.keys["alice"],
        "MODEL_URL": site.model.url,
    }

    ended = subprocess.run(  # noqa: S603
        [node, "--test", *reporter, "client.test.mjs"],
        cwd=HERE,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    results = read(report)
    failures = [f"{name}:\n{text}" for name, text in results.items() if text]
    if failures:
        pytest.fail("\n\n".join(failures), pytrace=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(results) >= 15


def read(report: Path) -> dict[str, str]:
    """Each test's name, with what made it fail, or nothing."""
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314 - our own file
    return {case.attrib["name"]: " ".join(case.itertext()).strip() for case in cases}
