"""An append-only file of JSON lines.

It never rewrites a whole line; a last line torn by a kill was never answered and is cut off.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """Lines in the order in which they happened; `durable` means on the disk before we go on."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.path = path
        self.durable = durable
        path.parent.mkdir(parents=True, exist_ok=True)
        self._cut_torn_line()

    def append(self, line: dict[str, Any]) -> None:
        """Write one line; when it returns, a killed process cannot lose it."""
        raw = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            _write_all(handle, raw)
            if self.durable:
                os.fsync(handle)
        finally:
            os.close(handle)

    def lines(self) -> list[dict[str, Any]]:
        """Every line from the beginning."""
        if not self.path.exists():
            return []
        return [json.loads(raw) for raw in self.path.read_bytes().splitlines()]

    def _cut_torn_line(self) -> None:
        if not self.path.exists():
            return
        raw = self.path.read_bytes()
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):
            os.truncate(self.path, whole)


def _write_all(handle: int, raw: bytes) -> None:
    while raw:
        raw = raw[os.write(handle, raw) :]
