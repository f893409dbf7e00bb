"""The peers' packages: from the extra `peers` of setup.cfg into a virtualenv under bench-out.

It refuses to fail for one that does not install: that peer is left out, and the reason is printed.
"""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from results import OUT

HOME = OUT / "peers"
PYTHON = HOME / "bin" / "python"
RESTATE_SERVER = "@restatedev/restate-server@^1.7"
WITHIN_S = 900


class Missing(Exception):
    """Why a peer cannot take part."""


def install(peer: str, packages: Sequence[str]) -> None:
    """Install what a peer needs, unless that was done before; `check` tells what came of it."""
    wanted = "\n".join(_requirements(packages))
    done, why_not = _notes(peer)
    if done.exists() and done.read_text() == wanted:
        return
    print(f"installing what {peer} needs …", flush=True)
    HOME.mkdir(parents=True, exist_ok=True)
    try:
        if not PYTHON.exists():
            _run("a virtualenv", sys.executable, "-m", "venv", str(HOME))
        _run("pip", str(PYTHON), "-m", "pip", "install", "--quiet", *wanted.split("\n"))
        if "restate-sdk" in packages:
            _install_restate()
    except Missing as why:
        why_not.write_text(str(why))
    else:
        why_not.unlink(missing_ok=True)
        done.write_text(wanted)


def check(peer: str) -> None:
    """Raise Missing for a peer that is not installed."""
    done, why_not = _notes(peer)
    if why_not.exists():
        raise Missing(why_not.read_text())
    if not done.exists():
        raise Missing("not installed")


def _notes(peer: str) -> tuple[Path, Path]:
    slug = re.sub(r"\W+", "-", peer).lower()
    return HOME / f"{slug}.installed", HOME / f"{slug}.missing"


def restate_server() -> Path:
    """The server's program, as npm unpacked it; raises Missing."""
    found = sorted(
        (HOME / "npm").glob("node_modules/@restatedev/restate-server-*/bin/restate-server")
    )
    if not found:
        raise Missing("npm has no restate-server for this system")
    return found[0]


def _install_restate() -> None:
    if shutil.which("npm") is None:
        raise Missing("npm is not installed, and brings the Restate server")
    # Its installation script reports to somebody; the program needs no script.
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    _run("npm", "npm", "install", *options, "--prefix", str(HOME / "npm"), RESTATE_SERVER)
    restate_server()


def _requirements(packages: Sequence[str]) -> list[str]:
    config = configparser.ConfigParser(interpolation=None)
    config.read(OUT.parent / "setup.cfg", encoding="utf-8")
    lines = config["options.extras_require"]["peers"].split()
    named = {re.split(r"[<>=~!;\[]", line)[0]: line for line in lines}
    return [named[package] for package in packages]


def _run(what: str, *command: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{what}: {error}") from error
    if done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Missing(f"{what}: {said[-1] if said else done.returncode}")
