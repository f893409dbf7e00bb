"""The README's walk, executed as it is written, in a shell, on ports of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from canaries import leaks
from e2e.town import ROOT, free_port

WALK = re.compile(r"<!-- walk:begin -->(.*)<!-- walk:end -->", re.DOTALL)
LONGEST_S = 120


def _script(gateway: int, server: int) -> str:
    """All code blocks of the walk, in order, on these ports; any failing line ends it."""
    found = WALK.search((ROOT / "README.md").read_text("utf-8"))
    assert found is not None
    code = "\n".join(re.findall(r"```sh\n(.*?)```", found[1], re.DOTALL))
    code = code.replace(". .venv/bin/activate\n", "").replace("9000", str(gateway))
    code = code.replace("8000", str(server))
    return f"set -euo pipefail\nexport STRADA_BASE_URL=http://127.0.0.1:{server}\n{code}"


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")),
    reason="the walk is typed with curl in bash, and one of them is not here",
)
def test_the_walk_of_the_readme_works_as_it_is_written(tmp_path: Path) -> None:
    shim = tmp_path / "bin" / "strada"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m web "$@"\n')
    shim.chmod(0o755)
    path = f"{shim.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STRADA_")}
    environment = kept | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", _script(free_port(), free_port())],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert leaks(said) == []
    states = [line for line in done.stdout.splitlines() if re.fullmatch(r"[a-z_]+", line)]
    assert states == [
        *("completed", "partially_refunded"),
        *("approved", "completed", "refunded"),
        *("ready", "approved"),
    ]
    assert re.search(r"^303 http://127\.0\.0\.1:3000/done\?.*status=approved", said, re.MULTILINE)
    assert "whole: " in done.stdout
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bin"]
