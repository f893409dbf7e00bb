"""The built UI as it is served, its sources' ties to the server, and what it weighs."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from storefront import Site

from web import assets
from web.ui import generate, strada_build

UI = Path(assets.__file__).with_name("ui")
FIRST_LOAD = {"src/checkout/Shop.tsx": 200_000, "src/console/Console.tsx": 350_000}
"""Bytes of script, gzipped, before a page of this kind works."""


# ---- the ties to the server


def test_the_charts_picture_is_the_servers() -> None:
    assert generate.PICTURE.read_text(encoding="utf-8") == generate.picture(), "make uitypes"


def test_the_api_types_are_those_of_the_served_document(ui: Path) -> None:
    with_node = strada_build.environment()
    assert generate.SCHEMA.read_text(encoding="utf-8") == generate.schema(with_node), "make uitypes"


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((UI / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert packages
    assert [name for name, one in packages.items() if "resolved" in one] == []
    assert [name for name, one in packages.items() if "integrity" not in one] == []


# ---- serving


def test_without_a_build_the_front_page_says_how(site: Site, tmp_path: Path) -> None:
    site.app.config["UI_DIST"] = tmp_path
    front = site.client.get("/")
    assert (front.status_code, "make ui" in front.text) == (200, True)
    assert "make ui" in site.client.get("/console").text
    assert site.client.get("/ui/assets/index.js").status_code == 404
    assert site.call("GET", "/transactions").status_code == 200


def test_pages_are_asked_for_again_and_their_files_are_kept(site: Site, ui: Path) -> None:
    page = site.client.get("/console/transactions/any")
    assert page.headers["Cache-Control"] == "no-cache"
    (script,) = [part for part in page.text.split('"') if part.endswith(".js")]
    file = site.client.get(script)
    assert (file.status_code, file.mimetype) == (200, "text/javascript")
    assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert site.client.get("/").text.count('href="/console"') == 1


def test_the_pages_policy_allows_our_own_files_only(site: Site, ui: Path) -> None:
    page = site.client.get("/console")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "<style" not in page.text
    assert " style=" not in page.text
    assert all(' src="/ui/assets/' in tag for tag in page.text.split("<script")[1:])


@pytest.mark.parametrize(
    "path",
    [
        "/ui/index.html",
        "/ui/manifest.json",
        "/ui/assets/../index.html",
        "/ui/assets/..%2findex.html",
        "/ui/../app.py",
        "/ui/assets/",
        "/ui/",
        "/ui/sources.sha256",
        "/ui/assets/%00.js",
    ],
)
def test_nothing_else_of_the_folder_is_served(site: Site, ui: Path, path: str) -> None:
    assert site.client.get(path).status_code == 404


# ---- weight and components


def scripts(manifest: dict[str, dict[str, object]], name: str) -> Iterator[str]:
    """The files that a chunk needs at first, its own among them."""
    chunk = manifest[name]
    yield str(chunk["file"])
    for needed in chunk.get("imports", []):  # type: ignore[attr-defined]
        yield from scripts(manifest, needed)


@pytest.mark.parametrize(("entry", "most"), FIRST_LOAD.items())
def test_a_first_load_stays_within_its_budget(ui: Path, entry: str, most: int) -> None:
    manifest = json.loads((ui / "dist" / "manifest.json").read_text(encoding="utf-8"))
    files = {*scripts(manifest, "index.html"), *scripts(manifest, entry)}
    weights = [len(gzip.compress((ui / "dist" / file).read_bytes())) for file in files]
    assert 40_000 < sum(weights) <= most


def test_the_components_pass_their_own_tests(ui: Path) -> None:
    done = subprocess.run(
        [*strada_build.npm_command(), "test"],
        cwd=ui,
        env=strada_build.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
