#!/usr/bin/env python3
"""Vendor the browser's libraries from npm, by name and version, into static/vendor.

Run it by hand after changing a version below, and keep what it writes:
`python deploy/vendor_assets.py`. It needs the ordinary npm client and nothing else.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "static" / "vendor"
# fmt: off
LANGUAGES = (
    "bash", "c", "cpp", "csharp", "css", "diff", "dockerfile", "go", "ini", "java",
    "javascript", "json", "kotlin", "lua", "makefile", "markdown", "php", "powershell",
    "python", "ruby", "rust", "scss", "sql", "swift", "typescript", "xml", "yaml",
)
# fmt: on
# The maps are not vendored, so a reference to one would only be a failed request.
SOURCE_MAP = re.compile(rb"\n?//# sourceMappingURL=[^\n]*\n?")
# Every browser that reads these pages takes the first of the formats of a font.
OTHER_FONTS = re.compile(rb',url\([^)]*\.(?:woff|ttf)\) format\("\w+"\)')
TEXT = (".js", ".mjs", ".css", "LICENSE")
# fmt: off
KATEX_FONTS = (
    "AMS-Regular", "Caligraphic-Bold", "Caligraphic-Regular", "Fraktur-Bold",
    "Fraktur-Regular", "Main-Bold", "Main-BoldItalic", "Main-Italic", "Main-Regular",
    "Math-BoldItalic", "Math-Italic", "SansSerif-Bold", "SansSerif-Italic",
    "SansSerif-Regular", "Script-Regular", "Size1-Regular", "Size2-Regular",
    "Size3-Regular", "Size4-Regular", "Typewriter-Regular",
)
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Package:
    """One npm package and which of its files the pages use: path inside -> name here."""

    name: str
    version: str
    licence: str
    files: dict[str, str]

    @property
    def folder(self) -> Path:
        name = self.name.removeprefix("@").replace("/", "-")
        return VENDOR / f"{name}-{self.version}"


PACKAGES = (
    # django-htmx 1.29 brings a beta of htmx 4.
    Package(
        name="htmx.org",
        version="4.0.1",
        licence="0BSD",
        files={"dist/htmx.min.js": "htmx.js", "LICENSE": "LICENSE"},
    ),
    Package(
        name="markdown-it",
        version="15.0.3",
        licence="MIT",
        files={
            "dist/browser/markdown-it.esm.min.mjs": "markdown-it.js",
            "LICENSE": "LICENSE",
        },
    ),
    Package(
        name="@highlightjs/cdn-assets",
        version="11.12.0",
        licence="BSD-3-Clause",
        files={
            "es/core.min.js": "core.js",
            **{f"es/languages/{x}.min.js": f"languages/{x}.js" for x in LANGUAGES},
            "LICENSE": "LICENSE",
        },
    ),
    # Loaded where a formula occurs.
    Package(
        name="katex",
        version="0.19.1",
        licence="MIT",
        files={
            "dist/katex.min.js": "katex.js",
            "dist/katex.min.css": "katex.css",
            **{
                f"dist/fonts/KaTeX_{x}.woff2": f"fonts/KaTeX_{x}.woff2"
                for x in KATEX_FONTS
            },
            "LICENSE": "LICENSE",
        },
    ),
    # Loaded when somebody asks to see a diagram.
    Package(
        name="mermaid",
        version="12.3.0",
        licence="MIT",
        files={"dist/mermaid.min.js": "mermaid.js", "LICENSE": "LICENSE"},
    ),
)


def main() -> None:
    npm = shutil.which("npm")
    if npm is None:
        sys.exit(
            "npm is needed to vendor the browser's libraries; it is not installed."
        )
    shutil.rmtree(VENDOR, ignore_errors=True)
    for package in PACKAGES:
        vendor(npm, package)
    (VENDOR / "README.md").write_text(readme(), encoding="utf-8")


def vendor(npm: str, package: Package) -> None:
    """Fetch one package and write its listed files, without source map references."""
    with tempfile.TemporaryDirectory() as folder:
        archive = pack(npm, package, Path(folder))
        with tarfile.open(archive) as tar:
            for source, name in package.files.items():
                target = package.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(member(tar, f"package/{source}"))


def pack(npm: str, package: Package, folder: Path) -> Path:
    """Download the package's archive with `npm pack`; returns its path."""
    spec = f"{package.name}@{package.version}"
    command = [npm, "pack", spec, "--silent", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return next(folder.glob("*.tgz"))


def member(tar: tarfile.TarFile, path: str) -> bytes:
    file = tar.extractfile(path)
    if file is None:
        raise FileNotFoundError(path)
    content = file.read()
    if not path.endswith(TEXT):
        return content
    return OTHER_FONTS.sub(b"", SOURCE_MAP.sub(b"\n", content)).rstrip() + b"\n"


def readme() -> str:
    lines = [
        "# Vendored browser libraries",
        "",
        "Written by `deploy/vendor_assets.py`; change the versions there, not the files",
        "here.",
        "",
        "| package | version | licence | files |",
        "|---|---|---|---|",
    ]
    for package in PACKAGES:
        row = (package.name, package.version, package.licence, listing(package))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def listing(package: Package) -> str:
    files = " ".join(f"`{name}`" for name in package.files.values())
    return f"in `{package.folder.name}/`: {files}"


if __name__ == "__main__":
    main()
