"""What the UI takes from the server, written into its source: API types and the chart's picture.

`python -m web.ui.generate` writes `src/api/schema.ts` (from the OpenAPI document that is served,
cut down to the operations that the UI calls) and `src/chart/picture.ts` (from `web/drawing.py`).
It refuses to be run at build time: the result is committed, and a test holds it to its sources.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from web import drawing
from web.openapi import document
from web.ui import strada_build

HERE = Path(__file__).parent
SCHEMA = HERE / "src" / "api" / "schema.ts"
PICTURE = HERE / "src" / "chart" / "picture.ts"
_T = "/v1/transactions"
CALLS = {
    _T: ("get",),
    f"{_T}/{{transaction}}": ("get",),
    f"{_T}/{{transaction}}/transitions": ("get",),
    f"{_T}/{{transaction}}/ready": ("post",),
    f"{_T}/{{transaction}}/approve": ("post",),
    f"{_T}/{{transaction}}/complete": ("post",),
    f"{_T}/{{transaction}}/cancel": ("post",),
    f"{_T}/{{transaction}}/fail": ("post",),
    f"{_T}/{{transaction}}/refund": ("post",),
}
_REFUSAL = {
    "type": "object",
    "description": "A refusal: what each has, whatever its code.",
    "properties": {name: {"type": "string"} for name in ("code", "title", "detail", "request_id")},
    "required": ["code", "title", "detail", "request_id"],
}
_REFUSED = {
    "description": "A refusal.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
}


def used() -> dict[str, Any]:
    """The OpenAPI document of what the UI calls, every refusal in one shape."""
    whole = json.loads(json.dumps(document()))
    whole["components"]["schemas"]["Refusal"] = _REFUSAL
    paths = {
        path: {method: _operation(whole["paths"][path][method]) for method in methods}
        for path, methods in CALLS.items()
    }
    kept: dict[str, dict[str, Any]] = {}
    waiting = _references(paths)
    while waiting:
        kind, name = waiting.pop()
        if name in kept.get(kind, {}):
            continue
        found = whole["components"][kind][name]
        kept.setdefault(kind, {})[name] = found
        waiting += _references(found)
    ordered = {kind: dict(sorted(named.items())) for kind, named in sorted(kept.items())}
    return {"openapi": "3.1.0", "info": whole["info"], "paths": paths, "components": ordered}


def _operation(found: dict[str, Any]) -> dict[str, Any]:
    answers = {
        status: {"description": answer["description"], "content": _json(answer["content"])}
        for status, answer in found["responses"].items()
        if status.startswith("2")
    }
    kept = {name: value for name, value in found.items() if name in ("parameters", "requestBody")}
    return kept | {"responses": answers | {"default": _REFUSED}}


def _json(content: dict[str, Any]) -> dict[str, Any]:
    return {kind: media for kind, media in content.items() if kind == "application/json"}


def _references(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return [found for one in value for found in _references(one)]
    if not isinstance(value, dict):
        return []
    named = value.get("$ref")
    own = [_place(named)] if isinstance(named, str) else []
    return own + [found for one in value.values() for found in _references(one)]


def _place(reference: str) -> tuple[str, str]:
    _, _, kind, name = reference.split("/")
    return kind, name


def schema(environment: Mapping[str, str] | None = None) -> str:
    """The TypeScript of the API's types; Node is on the PATH of `environment`."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "openapi.json").write_text(json.dumps(used()), encoding="utf-8")
        done = subprocess.run(  # noqa: S603
            [  # noqa: S607
                "node",
                str(HERE / "node_modules" / "openapi-typescript" / "bin" / "cli.js"),
                str(Path(folder) / "openapi.json"),
                "--root-types",
                "--root-types-no-schema-prefix",
            ],
            cwd=HERE,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    if done.returncode:
        raise RuntimeError(f"openapi-typescript failed: {done.stderr}")
    return done.stdout


def picture() -> str:
    """The TypeScript of the chart's picture."""
    body = json.dumps(drawing.shapes(), indent=2, ensure_ascii=False)
    return (
        "// Written by web/ui/generate.py from web/drawing.py. Change it there.\n"
        f"export const picture = {body} as const;\n"
    )


def main() -> None:
    """Write both files."""
    strada_build.install()
    for path, text in ((SCHEMA, schema(strada_build.environment())), (PICTURE, picture())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(HERE)}\n")


if __name__ == "__main__":
    main()
