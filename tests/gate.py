"""`make test`: every check and all tests; one line for each at the end.

The checks run side by side and print only when they fail; the tests print as they go.
`--no-tests` (`make lint`) leaves the tests out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.cluster import cluster

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CORES = os.cpu_count() or 1
DEBIAN_PACKAGES = (
    "chromium",
    "fonts-dejavu-core",
    "gettext",
    "git",
    "make",
    "nginx",
    "nodejs",
    "npm",
    "postgresql",
    "util-linux",
)
# What must hold with either database is tested with both.
ON_BOTH = [
    f"tests/test_{name}.py"
    for name in (
        "actions",
        "branches",
        "admin",
        "attachments",
        "attachments_prompt",
        "consumers",
        "engine",
        "engine_stops",
        "engine_tools",
        "deletion",
        "exports",
        "imports_uploads",
        "live",
        "matrix",
        "migrations",
        "pages_accounts",
        "pages_calls",
        "queue",
        "search",
        "sharing",
        "state_machine",
        "temporary",
        "threads",
        "threads_deleted",
        "timelines",
        "titles",
        "upcoming",
        "writer",
    )
]
ON_BOTH += [
    f"tests/api/test_{name}.py" for name in ("idempotency", "run_states", "threads")
]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Step:
    """One command of the gate, and how it went."""

    name: str
    command: list[str]
    variables: dict[str, str] = field(default_factory=dict)
    fine: tuple[int, ...] = (0,)
    seconds: float = 0.0
    code: int = -1
    output: str = ""

    def run(self, env: dict[str, str], *, is_shown: bool = False) -> Step:
        """Runs it with its output shown at once, or kept."""
        begun = time.monotonic()
        done = subprocess.run(  # noqa: S603 - commands of this file
            self.command,
            cwd=ROOT,
            env=env | self.variables,
            stdout=None if is_shown else subprocess.PIPE,
            stderr=None if is_shown else subprocess.STDOUT,
            text=True,
        )
        self.seconds = time.monotonic() - begun
        self.code = 0 if done.returncode in self.fine else done.returncode
        self.output = done.stdout or ""
        return self

    def __str__(self) -> str:
        verdict = "ok    " if self.code == 0 else "FAILED"
        return f"{verdict} {self.name} ({self.seconds:.1f} s)"


def tool(name: str, *arguments: str) -> list[str]:
    return [str(BIN / name), *arguments]


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def templates() -> list[str]:
    return [str(path) for path in sorted((ROOT / "templates").rglob("*.html"))]


def checks() -> list[Step]:
    """The slowest first, so that the others run beside it."""
    deploy = ("check", "--deploy", "--fail-level", "WARNING")
    return [
        Step("mypy --strict", tool("mypy")),
        Step("ruff check", tool("ruff", "check")),
        Step("ruff format", tool("ruff", "format", "--check")),
        Step("import contracts", tool("lint-imports", "--no-logo")),
        Step("djlint", tool("djlint", "--lint", "templates")),
        Step(
            "djade", tool("djade", "--check", "--target-version", "5.2", *templates())
        ),
        Step(
            "migrations", python("manage.py", "makemigrations", "--check", "--dry-run")
        ),
        Step(
            "deployment check",
            python("manage.py", *deploy),
            {"PUBLIC_URL": "https://chat.example.com"},
        ),
    ]


def tests(database_url: str) -> list[Step]:
    """In parallel, save for those that measure time, which have the machine alone."""
    pytest = ("-m", "pytest")
    parallel = ("-n", str(CORES))
    on_postgresql = {"TEST_DATABASE_URL": database_url}
    return [
        # Status 5 says that no test is marked so.
        Step("pytest, alone", python(*pytest, "-m", "alone", "-q"), fine=(0, 5)),
        Step(
            "pytest on PostgreSQL",
            python(*pytest, "-q", *parallel, *ON_BOTH, "tests/postgresql"),
            on_postgresql,
        ),
        Step(
            "faults, the short form",
            python("-m", "tests.faults", "--short", "--seed", "3"),
        ),
        Step(
            "pytest",
            python(
                *pytest, "-m", "not alone", *parallel, "--ignore", "tests/postgresql"
            ),
        ),
    ]


def clean_environment(data_dir: str) -> dict[str, str]:
    """This machine's environment without what would change the settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OPENAI_")
        and name not in ("DEBUG", "PUBLIC_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")
    }
    return kept | {"DATA_DIR": data_dir, "ENV_FILE": os.devnull}


def missing_packages() -> list[str]:
    """What the tests need of the machine and do not find, as Debian names it."""
    if shutil.which("dpkg-query"):
        return [name for name in DEBIAN_PACKAGES if not is_there(name)]
    named = ("git", "make", "msgfmt", "nginx", "npm")
    missing = [name for name in named if not shutil.which(name)]
    if not any(shutil.which(name) for name in BROWSERS):
        missing.append("chromium")
    if not shutil.which("initdb"):
        missing.append("postgresql")
    return missing


def is_there(package: str) -> bool:
    """Node comes from elsewhere on many machines, and brings npm along."""
    if package in ("nodejs", "npm") and shutil.which(package.removesuffix("js")):
        return True
    return is_installed(package)


def is_installed(package: str) -> bool:
    found = subprocess.run(  # noqa: S603 - names of this file
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", package],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout == "installed"


def install_packages() -> bool:
    """Installs what is missing where that can be done; says so elsewhere."""
    missing = missing_packages()
    if not missing:
        return True
    if not shutil.which("apt-get") or os.geteuid() != 0:
        say(f"The tests need {', '.join(missing)}. Install with your package manager,")
        say(f"on Debian: sudo apt-get install {' '.join(missing)}")
        return False
    say(f"Installing {', '.join(missing)}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends"]
    for command in (["apt-get", "update", "--quiet"], [*install, *missing]):
        if subprocess.run(command, env=env, stdout=subprocess.DEVNULL).returncode:  # noqa: S603
            say(f"Failed: {' '.join(command)}")
            return False
    return True


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run_checks(env: dict[str, str]) -> list[Step]:
    with ThreadPoolExecutor(max_workers=max(2, CORES)) as pool:
        steps = list(pool.map(lambda step: step.run(env), checks()))
    for step in steps:
        if step.code != 0:
            say(f"--- {step.name}\n{step.output.rstrip()}")
    return steps


def main() -> int:
    wants_tests = "--no-tests" not in sys.argv
    if wants_tests and not install_packages():
        return 1
    with tempfile.TemporaryDirectory(prefix="threadmill-gate-") as folder:
        env = clean_environment(folder)
        steps = run_checks(env)
        if wants_tests:
            with cluster() as database_url:
                steps += [step.run(env, is_shown=True) for step in tests(database_url)]
    for step in steps:
        say(str(step))
    return int(any(step.code != 0 for step in steps))


if __name__ == "__main__":
    sys.exit(main())
